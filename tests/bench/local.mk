# "make bench": built and run on request
EXTRA_PROGRAMS += %D%/ring %D%/lookup
%C%_ring_SOURCES = %D%/ring.c
%C%_ring_LDADD = core/libshm.la core/libkernel.la
%C%_lookup_SOURCES = %D%/lookup.c
%C%_lookup_LDADD = core/libsock.la core/libkernel.la
EXTRA_PROGRAMS += %D%/overhead
%C%_overhead_SOURCES = %D%/overhead.c
EXTRA_PROGRAMS += %D%/pingpong
%C%_pingpong_SOURCES = %D%/pingpong.c
EXTRA_DIST += %D%/syscalls
# what examples/bench consists of
EXTRA_DIST += %D%/table %D%/rows.bash %D%/vpp.bash %D%/report.awk %D%/chart.awk
CLEANFILES += %D%/ring %D%/lookup %D%/overhead %D%/pingpong
bench: %D%/ring %D%/lookup %D%/overhead preload/libsapi_preload.la
	%D%/ring
	%D%/lookup
	%D%/overhead
	LD_PRELOAD=$(abs_top_builddir)/preload/.libs/libsapi_preload.so \
		%D%/overhead
.PHONY: bench
