# random schedules, checked byte by byte: run says how; runs bare as well
check_PROGRAMS += %D%/stress
%C%_stress_SOURCES = %D%/stress.h %D%/calls.c %D%/drive.c %D%/endpoint.c \
	%D%/hand.c %D%/loop.c %D%/plan.c %D%/roles.c %D%/stress.c
%C%_stress_LDADD = -lpthread
EXTRA_DIST += %D%/run
stress: all %D%/stress
	$(AM_TESTS_ENVIRONMENT) $(srcdir)/%D%/run $(STRESS)
.PHONY: stress
