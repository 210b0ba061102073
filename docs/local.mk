EXTRA_DIST += %D%/decisions.md
