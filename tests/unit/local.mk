# unit NAME: tests/unit/NAME.c, one a source file
EXTRA_DIST += %D%/tap.h %D%/kernel_fault.c %D%/kernel_fault.h
unit_tests = %D%/fdbox
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

%C%_fdbox_SOURCES = %D%/fdbox.c
%C%_fdbox_LDADD = core/libshm.la core/libkernel.la

unit_tests += %D%/app_seg
%C%_app_seg_SOURCES = %D%/app_seg.c
%C%_app_seg_LDADD = core/libsock.la core/libkernel.la

unit_tests += %D%/user
%C%_user_SOURCES = %D%/user.c
%C%_user_LDADD = core/libshm.la core/libkernel.la

unit_tests += %D%/ctrl
%C%_ctrl_SOURCES = %D%/ctrl.c
%C%_ctrl_LDADD = core/libshm.la core/libkernel.la

unit_tests += %D%/mq %D%/mq_repair %D%/mq_threads %D%/mq_kill
%C%_mq_SOURCES = %D%/mq.c %D%/mq_arena.h
%C%_mq_LDADD = core/libshm.la core/libkernel.la
%C%_mq_repair_SOURCES = %D%/mq_repair.c %D%/mq_arena.h
%C%_mq_repair_LDADD = core/libshm.la core/libkernel.la
%C%_mq_threads_SOURCES = %D%/mq_threads.c %D%/mq_arena.h
%C%_mq_threads_LDADD = core/libshm.la core/libkernel.la
%C%_mq_kill_SOURCES = %D%/mq_kill.c %D%/mq_arena.h
%C%_mq_kill_LDADD = core/libshm.la core/libkernel.la

unit_tests += %D%/conf
%C%_conf_SOURCES = %D%/conf.c %D%/conf_help.h
%C%_conf_LDADD = core/libsock.la core/libkernel.la

unit_tests += %D%/conf_tls
%C%_conf_tls_SOURCES = %D%/conf_tls.c %D%/conf_help.h
%C%_conf_tls_LDADD = core/libsock.la core/libkernel.la

unit_tests += %D%/tls
%C%_tls_SOURCES = %D%/tls.c %D%/live.h %D%/played.h
%C%_tls_LDADD = core/libsock.la core/libkernel.la

unit_tests += %D%/abi
%C%_abi_SOURCES = %D%/abi.c %D%/abi.h %D%/abi_layouts.h %D%/abi_consts.h
unit_tests += %D%/conf_file
%C%_conf_file_SOURCES = %D%/conf_file.c %D%/conf_help.h
%C%_conf_file_LDADD = core/libsock.la core/libkernel.la
EXTRA_DIST += tests/data/conf/both.conf tests/data/conf/libvma.conf \
	tests/data/conf/vcl_envoy.conf tests/data/conf/vcl_full.conf \
	tests/data/conf/vcl_nginx.conf tests/data/conf/vcl_old.conf \
	tests/data/conf/vcl_one_line.conf tests/data/conf/vcl_quirks.conf \
	tests/data/conf/wrong.conf

unit_tests += %D%/live
%C%_live_SOURCES = %D%/live.c %D%/live.h
%C%_live_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/live_mem
%C%_live_mem_SOURCES = %D%/live_mem.c %D%/live.h
EXTRA_DIST += tests/data/live-26.06 \
	tests/data/vpp-23.10.tsv tests/data/vpp-24.02.tsv \
	tests/data/vpp-24.06.tsv tests/data/vpp-24.10.tsv \
	tests/data/vpp-25.02.tsv tests/data/vpp-25.06.tsv \
	tests/data/vpp-25.10.tsv tests/data/vpp-26.02.tsv \
	tests/data/vpp-26.06.tsv

# the daemon, driven by a client that the tests play
sapid_raw = %D%/rawclient.c %D%/rawclient.h
unit_tests += %D%/sapid_attach %D%/sapid_evil %D%/sapid_kill \
	%D%/sapid_link %D%/sapid_link_kill %D%/sapid_netns %D%/sapid_offer \
	%D%/sapid_unix %D%/sapid_udp \
	%D%/sapid_offer_evil \
	%D%/sapid_match %D%/sapid_session %D%/sapid_trust %D%/sapid_worker
%C%_sapid_trust_SOURCES = %D%/sapid_trust.c $(sapid_raw)
%C%_sapid_trust_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_netns_SOURCES = %D%/sapid_netns.c %D%/rawlink.c %D%/rawlink.h \
	$(sapid_raw)
%C%_sapid_netns_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_offer_evil_SOURCES = %D%/sapid_offer_evil.c %D%/rawlink.c \
	%D%/rawlink.h $(sapid_raw)
%C%_sapid_offer_evil_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_link_kill_SOURCES = %D%/sapid_link_kill.c %D%/rawlink.c \
	%D%/rawlink.h $(sapid_raw)
%C%_sapid_link_kill_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_link_SOURCES = %D%/sapid_link.c %D%/rawlink.c %D%/rawlink.h \
	$(sapid_raw)
%C%_sapid_link_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_udp_SOURCES = %D%/sapid_udp.c %D%/rawlink.c %D%/rawlink.h \
	$(sapid_raw)
%C%_sapid_udp_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_unix_SOURCES = %D%/sapid_unix.c %D%/rawlink.c %D%/rawlink.h \
	$(sapid_raw)
%C%_sapid_unix_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_offer_SOURCES = %D%/sapid_offer.c %D%/rawlink.c %D%/rawlink.h \
	$(sapid_raw)
%C%_sapid_offer_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_evil_SOURCES = %D%/sapid_evil.c $(sapid_raw)
%C%_sapid_evil_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_kill_SOURCES = %D%/sapid_kill.c $(sapid_raw)
%C%_sapid_kill_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_attach_SOURCES = %D%/sapid_attach.c $(sapid_raw)
%C%_sapid_attach_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_match_SOURCES = %D%/sapid_match.c $(sapid_raw)
%C%_sapid_match_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_session_SOURCES = %D%/sapid_session.c $(sapid_raw)
%C%_sapid_session_LDADD = core/libshm.la core/libkernel.la
%C%_sapid_worker_SOURCES = %D%/sapid_worker.c $(sapid_raw)
%C%_sapid_worker_LDADD = core/libshm.la core/libkernel.la
# recorded conversations, played again
EXTRA_DIST += %D%/replay.h
unit_tests += %D%/replay_daemon
%C%_replay_daemon_SOURCES = %D%/replay_daemon.c %D%/live.h \
	%D%/replay_expect.h %D%/replay_rules.h $(sapid_raw)
%C%_replay_daemon_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/replay_attach
%C%_replay_attach_SOURCES = %D%/replay_attach.c %D%/live.h $(sapid_raw)
%C%_replay_attach_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/replay_client
%C%_replay_client_SOURCES = %D%/replay_client.c %D%/live.h %D%/played.h \
	%D%/replay_said.h
%C%_replay_client_LDADD = core/libsock.la core/libkernel.la
EXTRA_DIST += %D%/shm_rig.h
unit_tests += %D%/map %D%/seg
%C%_map_SOURCES = %D%/map.c %D%/kernel_fault.c
%C%_map_LDADD = core/libshm.la
%C%_seg_SOURCES = %D%/seg.c
%C%_seg_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/fifo
%C%_fifo_SOURCES = %D%/fifo.c
%C%_fifo_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/fifo_evil
%C%_fifo_evil_SOURCES = %D%/fifo_evil.c
%C%_fifo_evil_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/fifo_model %D%/fifo_threads
%C%_fifo_model_SOURCES = %D%/fifo_model.c
%C%_fifo_model_LDADD = core/libshm.la core/libkernel.la
%C%_fifo_threads_SOURCES = %D%/fifo_threads.c
%C%_fifo_threads_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/fifo_kill
%C%_fifo_kill_SOURCES = %D%/fifo_kill.c
%C%_fifo_kill_LDADD = core/libshm.la core/libkernel.la

unit_tests += %D%/waiter %D%/private
%C%_waiter_SOURCES = %D%/waiter.c
%C%_waiter_LDADD = core/libsock.la core/libkernel.la
%C%_private_SOURCES = %D%/private.c %D%/kernel_fault.c %D%/kernel_fault.h
%C%_private_LDADD = core/libsock.la

unit_tests += %D%/api
%C%_api_SOURCES = %D%/api.c
%C%_api_LDADD = core/libsapi.la

unit_tests += %D%/hold
%C%_hold_SOURCES = %D%/hold.c
%C%_hold_LDADD = core/libsock.la core/libkernel.la

EXTRA_DIST += %D%/played.h
unit_tests += %D%/attach
%C%_attach_SOURCES = %D%/attach.c %D%/played.h %D%/kernel_fault.c \
	%D%/kernel_fault.h
%C%_attach_LDADD = core/libsock.la
unit_tests += %D%/release
%C%_release_SOURCES = %D%/release.c %D%/played.h
%C%_release_LDADD = core/libsock.la core/libkernel.la
EXTRA_DIST += %D%/played_link.h
unit_tests += %D%/offer
%C%_offer_SOURCES = %D%/offer.c %D%/played.h %D%/played_link.h
%C%_offer_LDADD = core/libsock.la core/libkernel.la
unit_tests += %D%/link_sock
%C%_link_sock_SOURCES = %D%/link_sock.c %D%/kernel_fault.c %D%/kernel_fault.h \
	%D%/link_ends.h %D%/played.h %D%/played_link.h
%C%_link_sock_LDADD = core/libsock.la
unit_tests += %D%/spawn
%C%_spawn_SOURCES = %D%/spawn.c
%C%_spawn_LDADD = core/libsock.la core/libkernel.la
unit_tests += %D%/link_back %D%/link_back_random %D%/link_fin
%C%_link_back_SOURCES = %D%/link_back.c %D%/link_streams.h %D%/link_ends.h %D%/played.h \
	%D%/played_link.h
%C%_link_back_LDADD = core/libsock.la core/libkernel.la
%C%_link_fin_SOURCES = %D%/link_fin.c %D%/link_streams.h %D%/link_ends.h \
	%D%/played.h %D%/played_link.h
%C%_link_fin_LDADD = core/libsock.la core/libkernel.la
%C%_link_back_random_SOURCES = %D%/link_back_random.c %D%/link_ends.h \
	%D%/played.h %D%/played_link.h
%C%_link_back_random_LDADD = core/libsock.la core/libkernel.la
unit_tests += %D%/vpp_attr
%C%_vpp_attr_SOURCES = %D%/vpp_attr.c
%C%_vpp_attr_LDADD = core/libsock.la core/libkernel.la
unit_tests += %D%/session
%C%_session_SOURCES = %D%/session.c %D%/played.h
%C%_session_LDADD = core/libsock.la core/libkernel.la
unit_tests += %D%/epoll
%C%_epoll_SOURCES = %D%/epoll.c %D%/played.h
%C%_epoll_LDADD = core/libsock.la core/libkernel.la
unit_tests += %D%/table
%C%_table_SOURCES = %D%/table.c
%C%_table_LDADD = core/libsock.la core/libkernel.la

# the wrappers over a core that only notes how it was called
EXTRA_DIST += %D%/preload_double.h
unit_tests += %D%/preload
%C%_preload_SOURCES = %D%/preload.c %D%/preload_double.c preload/init.c \
	preload/wrap_exec.c \
	preload/real.c preload/wrap_fd.c preload/wrap_io.c preload/wrap_open.c \
	preload/wrap_stdio.c preload/wrap_wait.c
%C%_preload_CPPFLAGS = $(preload_libsapi_preload_la_CPPFLAGS)

# links
EXTRA_DIST += %D%/link_rig.h
unit_tests += %D%/ring
unit_tests += %D%/frame
%C%_frame_SOURCES = %D%/frame.c
%C%_frame_LDADD = core/libshm.la core/libkernel.la
%C%_ring_SOURCES = %D%/ring.c
%C%_ring_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/link
%C%_link_SOURCES = %D%/link.c %D%/kernel_fault.c %D%/kernel_fault.h
%C%_link_LDADD = core/libshm.la
unit_tests += %D%/ring_threads %D%/ring_kill
%C%_ring_threads_SOURCES = %D%/ring_threads.c
%C%_ring_threads_LDADD = core/libshm.la core/libkernel.la
%C%_ring_kill_SOURCES = %D%/ring_kill.c
%C%_ring_kill_LDADD = core/libshm.la core/libkernel.la
unit_tests += %D%/packet
%C%_packet_SOURCES = %D%/packet.c
%C%_packet_LDADD = core/libshm.la core/libkernel.la
