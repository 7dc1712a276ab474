package check

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"hostler/agent/link"
)

// Server is where the host's server is.
type Server struct {
	Address string // host:port
	Config  *tls.Config
}

// ServerOf is the server of a session.
func ServerOf(session *link.Session) *Server {
	address, config, _ := session.Get()
	return &Server{Address: address, Config: config}
}

const (
	// askTimeout bounds one question on the network, serverTimeout that for the server's time.
	askTimeout    = 5 * time.Second
	serverTimeout = 30 * time.Second
)

// look asks the server for its time and says by how much the host's clock is ahead, and from which address it asked. The
// answer's date has whole seconds.
func (s *Server) look(ctx context.Context) (offset *int64, address string) {
	if s == nil || s.Address == "" {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, ""
	}
	defer func() { _ = connection.Close() }() // nothing is lost with it
	if own, ok := connection.LocalAddr().(*net.TCPAddr); ok {
		address = own.AddrPort().Addr().Unmap().String()
	}
	client := link.NewClient(s.Config)
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+s.Address+"/", nil)
	if err != nil {
		return nil, address
	}
	asked := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return nil, address
	}
	_ = response.Body.Close() // it is empty
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return nil, address
	}
	half := time.Since(asked) / 2
	ahead := asked.Add(half).Sub(date.Add(time.Second / 2)).Milliseconds()
	return &ahead, address
}
