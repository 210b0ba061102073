EXTRA_DIST += %D%/helpers.bash
bats_tests += %D%/conf.bats
bats_tests += %D%/tool.bats
