package api

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.json
var openAPI []byte

// openAPI serves the description of the API for machines.
func (s *server) openAPI(w http.ResponseWriter, r *http.Request) {
	answer{status: http.StatusOK, raw: openAPI}.write(w, r) // it is encoded already
}
