TEST_EXTENSIONS = .bats .peer
TAP = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP)
BATS_LOG_DRIVER = $(TAP)
PEER_LOG_DRIVER = $(TAP)
BATS_LOG_COMPILER = $(BATS)
PEER_LOG_COMPILER = $(srcdir)/tests/peer/run
AM_BATS_LOG_FLAGS = --formatter tap

# A sanitizer's runtime must come before our module in LD_PRELOAD.
if SANITIZED
sanitizer_env = export SANITIZER_RUNTIME="`$(CC) -print-file-name=$(SANITIZER_LIB)`";
else
sanitizer_env = export SANITIZER_RUNTIME=;
endif
AM_TESTS_ENVIRONMENT = $(sanitizer_env) \
	export CC='$(CC)'; \
	export top_srcdir='$(abs_top_srcdir)'; \
	export top_builddir='$(abs_top_builddir)'; \
	export PRELOAD_LIB='$(abs_top_builddir)/preload/.libs/libsapi_preload.so'; \
	export SAPID='$(abs_top_builddir)/daemon/sapid'; \
	export SAPI='$(abs_top_builddir)/tool/sapi';

bats_tests =
include %D%/unit/local.mk
include %D%/fuzz/local.mk
include %D%/peer/local.mk
include %D%/stress/local.mk
include %D%/differ/local.mk
include %D%/soak/local.mk
include %D%/bats/local.mk
include %D%/bench/local.mk
if HAVE_BATS
TESTS += $(bats_tests)
endif
EXTRA_DIST += $(bats_tests)
EXTRA_DIST += %D%/run %D%/setup.bash %D%/vpp.bash %D%/packages %D%/codespell
