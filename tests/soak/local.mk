# a mixed load with restarts of everything: run says how
EXTRA_DIST += %D%/run %D%/ends.py
