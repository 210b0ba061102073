EXTRA_DIST += %D%/helpers.bash
bats_tests += %D%/conf.bats
bats_tests += %D%/tool.bats
bats_tests += %D%/nm.bats %D%/preload.bats %D%/rooms.bats
EXTRA_DIST += %D%/early.c

check_PROGRAMS += %D%/calls %D%/idle %D%/played_vpp
%C%_played_vpp_SOURCES = %D%/played_vpp.c
%C%_played_vpp_LDADD = core/libshm.la core/libkernel.la
%C%_calls_SOURCES = %D%/calls.c
%C%_idle_SOURCES = %D%/idle.c
bats_tests += %D%/native.bats
bats_tests += %D%/install.bats

# real programs
bats_tests += %D%/app_apache.bats %D%/app_daemonize.bats %D%/app_exec.bats %D%/app_files.bats \
	%D%/app_haproxy.bats %D%/app_iperf3.bats %D%/app_java.bats \
	%D%/app_lighttpd.bats %D%/app_mariadb.bats %D%/app_memcached.bats \
	%D%/app_mixed.bats %D%/app_mosquitto.bats %D%/app_nginx.bats \
	%D%/app_nginx_long.bats %D%/app_node.bats %D%/app_postgresql.bats \
	%D%/app_preloads.bats %D%/app_python.bats %D%/app_redis.bats %D%/app_scripts.bats \
	%D%/app_socat.bats %D%/app_ssh.bats %D%/app_stunnel.bats %D%/app_udp.bats \
	%D%/app_unix.bats \
	%D%/nobody.bats
EXTRA_DIST += %D%/datagrams.py %D%/handover.py %D%/passing.py %D%/talk.py %D%/Talk.java %D%/unread.py
bats_tests += %D%/link_kernel.bats %D%/link_netns.bats
bats_tests += %D%/sapid.bats %D%/stopped.bats %D%/stress.bats %D%/differ.bats %D%/soak.bats %D%/link_idle.bats
bats_tests += %D%/tls.bats %D%/udp_played.bats

# with a real VPP
bats_tests += %D%/vpp_gone.bats %D%/vpp_ours.bats %D%/vpp_stock.bats \
	%D%/vpp_threads.bats %D%/vpp_tls.bats %D%/vpp_udp.bats %D%/vpp_wire.bats
EXTRA_DIST += %D%/both_ends.py %D%/tls_ends.py %D%/udp_ends.py %D%/udp_helpers.bash \
	%D%/vpp_helpers.bash
