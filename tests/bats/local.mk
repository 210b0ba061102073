EXTRA_DIST += %D%/helpers.bash
bats_tests += %D%/conf.bats
bats_tests += %D%/tool.bats
bats_tests += %D%/preload.bats %D%/rooms.bats
EXTRA_DIST += %D%/early.c

check_PROGRAMS += %D%/calls
%C%_calls_SOURCES = %D%/calls.c
bats_tests += %D%/native.bats
bats_tests += %D%/install.bats
