EXTRA_DIST += %D%/decisions.md %D%/performance.md %D%/vpp.md
