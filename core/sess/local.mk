core_libsock_la_SOURCES += %D%/conf.h %D%/conf.c %D%/conf_parse.h \
	%D%/conf_rule.c %D%/conf_show.c %D%/conf_stanza.c %D%/conf_tls.c %D%/conf_vcl.c \
	%D%/app.h %D%/app.c %D%/app_ctl.c %D%/app_fork.c %D%/app_seg.c %D%/release.h %D%/release.c %D%/attach.c %D%/attr.c %D%/close.c %D%/hold.h %D%/hold.c %D%/private.c %D%/drain.c %D%/events.c %D%/park.c \
	%D%/session.h %D%/session_priv.h %D%/session.c %D%/stats.c %D%/tls.h %D%/tls.c %D%/waiter.h %D%/waiter.c %D%/bell.h %D%/bell.c \
	%D%/offer.h %D%/offer.c %D%/offer_seg.h %D%/offer_seg.c
