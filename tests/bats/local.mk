EXTRA_DIST += %D%/helpers.bash
