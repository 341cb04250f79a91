module everthaw.dev/lab/guest

go 1.21
