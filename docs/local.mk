EXTRA_DIST += %D%/decisions.md %D%/performance.md
