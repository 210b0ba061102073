
# "make bench": built and run on request
EXTRA_PROGRAMS += %D%/fifo
%C%_fifo_SOURCES = %D%/fifo.c
%C%_fifo_LDADD = core/libshm.la core/libkernel.la
CLEANFILES += %D%/fifo
bench: %D%/fifo
	%D%/fifo
.PHONY: bench
