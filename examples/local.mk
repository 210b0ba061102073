# see Makefile.am
EXTRA_DIST += %D%/quickstart
