EXTRA_DIST += %D%/decisions.md %D%/performance.md %D%/programs.md %D%/vpp.md
