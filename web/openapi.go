package web

import (
	_ "embed" // the document is part of the binary
	"net/http"

	"github.com/gin-gonic/gin"
)

// openAPIDocument describes the API; a test holds it against the table of routes and the types of the answers.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI is GET /api/openapi.json.
func (w *Web) openAPI(c *gin.Context) error {
	c.Data(http.StatusOK, "application/json", openAPIDocument)
	return nil
}
