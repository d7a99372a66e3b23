package ui

import (
	"log"
	"net/http"
	"time"
)

// NewServer is the server that the pages stand behind: it lets go of a client that
// sends its header for more than ten seconds or its request for more than a minute,
// and refuses a header of more than 64 KB.
func NewServer(h http.Handler, errors *log.Logger) *http.Server {
	return &http.Server{Handler: h, ErrorLog: errors, MaxHeaderBytes: 64 << 10,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
}
