package agenttest

import (
	"errors"
	"io"
	"net/http"

	"github.com/gorilla/websocket"

	"hostler/agent/wire"
)

// Upload is what a fetch has sent.
type Upload struct {
	Job         string
	ContentType string
	Body        []byte
	Err         error // the body ended before its end
}

// files serves the files of jobs.
func (s *Server) files(mux *http.ServeMux) {
	mux.HandleFunc("GET "+wire.PathJobFile+"{job}", func(w http.ResponseWriter, r *http.Request) {
		if s.OnFile == nil {
			http.NotFound(w, r)
			return
		}
		s.OnFile(w, r, r.PathValue("job"))
	})
	mux.HandleFunc("POST "+wire.PathJobFile+"{job}", func(w http.ResponseWriter, r *http.Request) {
		if s.OnUpload != nil {
			s.OnUpload()
		}
		body, err := io.ReadAll(r.Body)
		s.write(w, []byte(`{"errcode": 0}`))
		s.Uploads <- Upload{Job: r.PathValue("job"), ContentType: r.Header.Get("Content-Type"), Body: body, Err: err}
	})
}

// openWake opens a wake channel.
func (s *Server) openWake(w http.ResponseWriter, r *http.Request) {
	if s.NoWake {
		http.NotFound(w, r)
		return
	}
	upgrader := websocket.Upgrader{}
	connection, err := upgrader.Upgrade(w, r, nil)
	if errors.As(err, new(websocket.HandshakeError)) {
		s.t.Errorf("cannot open a wake channel: %v", err)
	}
	if err != nil {
		return // the agent may end at any time
	}
	s.mu.Lock()
	s.wakers = append(s.wakers, connection)
	s.mu.Unlock()
	s.Wakes <- struct{}{}
	for err == nil { // pings are answered while it reads
		_, _, err = connection.ReadMessage()
	}
	_ = connection.Close() // it has failed already
}

// Wake asks every agent with a wake channel for a heartbeat.
func (s *Server) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, connection := range s.wakers {
		_ = connection.WriteMessage(websocket.TextMessage, []byte("wake")) // it may be gone
	}
}
