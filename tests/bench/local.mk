# "make bench": built and run on request
EXTRA_PROGRAMS += %D%/fifo
%C%_fifo_SOURCES = %D%/fifo.c
%C%_fifo_LDADD = core/libshm.la core/libkernel.la
EXTRA_PROGRAMS += %D%/overhead
%C%_overhead_SOURCES = %D%/overhead.c
EXTRA_PROGRAMS += %D%/pingpong
%C%_pingpong_SOURCES = %D%/pingpong.c
EXTRA_DIST += %D%/syscalls
# what examples/bench consists of
EXTRA_DIST += %D%/table %D%/rows.bash %D%/vpp.bash %D%/report.awk %D%/chart.awk
CLEANFILES += %D%/fifo %D%/overhead %D%/pingpong
bench: %D%/fifo %D%/overhead preload/libsapi_preload.la
	%D%/fifo
	%D%/overhead
	LD_PRELOAD=$(abs_top_builddir)/preload/.libs/libsapi_preload.so \
		%D%/overhead
.PHONY: bench
