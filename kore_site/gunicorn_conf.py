"""How gunicorn serves Kore: `gunicorn -c kore_site/gunicorn_conf.py kore_site.wsgi`."""

bind = "127.0.0.1:8000"
workers = 2
threads = 4
timeout = 60
graceful_timeout = 10
# Else gunicorn writes into the home folder of whoever starts it.
control_socket_disable = True
accesslog = "-"
# The path without its query string, and no referer: searches hold names (docs/operations.md, "Logs").
access_log_format = '%(t)s %(h)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'
