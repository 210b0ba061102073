# "make bench": built and run on request
EXTRA_PROGRAMS += %D%/ring %D%/table
%C%_ring_SOURCES = %D%/ring.c
%C%_ring_LDADD = core/libshm.la core/libkernel.la
%C%_table_SOURCES = %D%/table.c
%C%_table_LDADD = core/libsock.la core/libkernel.la
EXTRA_PROGRAMS += %D%/overhead
%C%_overhead_SOURCES = %D%/overhead.c
EXTRA_PROGRAMS += %D%/pingpong
%C%_pingpong_SOURCES = %D%/pingpong.c
EXTRA_DIST += %D%/syscalls
CLEANFILES += %D%/ring %D%/table %D%/overhead %D%/pingpong
bench: %D%/ring %D%/table %D%/overhead preload/libsapi_preload.la
	%D%/ring
	%D%/table
	%D%/overhead
	LD_PRELOAD=$(abs_top_builddir)/preload/.libs/libsapi_preload.so \
		%D%/overhead
.PHONY: bench
