core_libsock_la_SOURCES += %D%/conf.h %D%/conf.c %D%/conf_parse.h \
	%D%/conf_rule.c %D%/conf_show.c %D%/conf_stanza.c %D%/conf_vcl.c
