# fuzz NAME: tests/fuzz/NAME.c, see fuzz.h.  replay_NAME runs over the text
# corpus in every "make check"; fuzz_NAME is libFuzzer's (--enable-fuzz).
EXTRA_DIST += %D%/fuzz.h %D%/corpus/ctrl.txt

fuzz_replays = %D%/replay_ctrl
check_PROGRAMS += $(fuzz_replays)
TESTS += $(fuzz_replays)

%C%_replay_ctrl_SOURCES = %D%/replay.c %D%/ctrl.c
%C%_replay_ctrl_CPPFLAGS = $(AM_CPPFLAGS) -DTARGET='"ctrl"'
%C%_replay_ctrl_LDADD = core/libshm.la core/libkernel.la

if FUZZ
noinst_PROGRAMS += %D%/fuzz_ctrl
endif
%C%_fuzz_ctrl_SOURCES = %D%/ctrl.c
%C%_fuzz_ctrl_LDADD = core/libshm.la core/libkernel.la
%C%_fuzz_ctrl_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
