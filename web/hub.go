package web

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"hostler/db"
	"hostler/server/account"
	"hostler/ui/live"
)

// A page subscribes a moment after it was made. What changed in between is told again.
const (
	replayFor   = 10 * time.Second
	replayMax   = 2048
	replaySlack = time.Second // for a subscription that was longer on its way than the request for the page
)

// hub follows the bus once and hands changes to the connections that subscribed to their topics.
type hub struct {
	web    *Web
	cancel []func()
	wg     sync.WaitGroup // connections

	mu     sync.Mutex
	closed bool
	conns  map[*connection][]string // with their topics
	topics map[string]map[*connection]bool
	recent []past               // oldest first
	missed map[string]time.Time // topics whose changes recent had no room for: when the last of those happened
	states map[int64]db.HostState
	runs   map[int64]*watchedRun // operations whose page is open
}

type past struct {
	at time.Time
	change
}

func newHub(w *Web) *hub {
	return &hub{
		web: w, conns: map[*connection][]string{}, topics: map[string]map[*connection]bool{}, missed: map[string]time.Time{},
		states: map[int64]db.HostState{}, runs: map[int64]*watchedRun{},
	}
}

func (h *hub) start() error {
	cancel, err := h.web.Bus.Subscribe(">", h.receive)
	if err != nil {
		return err
	}
	h.cancel = []func(){cancel, h.web.Bus.OnLapse(h.reloadAll), h.web.Accounts.OnEnded(h.doubtAll)}
	return nil
}

// doubtAll lets all connections ask whether their sessions are still good.
func (h *hub) doubtAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.doubt()
	}
}

// reloadAll lets all pages load again: changes were lost, and nobody knows which.
func (h *hub) reloadAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for topic := range h.topics {
		h.tell(change{topic: topic, reload: true}, false)
	}
}

// close ends all connections and waits for them.
func (h *hub) close() {
	for _, cancel := range h.cancel {
		cancel()
	}
	h.mu.Lock()
	h.closed = true
	open := slices.Collect(maps.Keys(h.conns))
	h.mu.Unlock()
	for _, c := range open {
		c.bye(websocket.CloseGoingAway, "the server is stopping")
		_ = c.ws.Close() // ends its reader
	}
	h.wg.Wait()
}

// add takes a new connection; false when the hub is closed.
func (h *hub) add(c *connection) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.wg.Add(1)
	h.conns[c] = nil
	return true
}

func (h *hub) remove(c *connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(c, h.conns[c])
	delete(h.conns, c)
	h.wg.Done()
}

// leave takes a connection off topics; h.mu is held.
func (h *hub) leave(c *connection, topics []string) {
	for _, topic := range topics {
		delete(h.topics[topic], c)
		if len(h.topics[topic]) == 0 {
			delete(h.topics, topic)
			h.unwatch(topic)
		}
		h.meet(topic)
	}
}

func (h *hub) connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// subscribe makes topics all that a connection listens to, for a page that was asked for so long ago. Unknown ones are
// ignored, because the page may be newer than the server, and so are those that its role or its limit does not allow.
func (h *hub) subscribe(c *connection, topics []string, age time.Duration) {
	since := time.Now().Add(-min(max(age, 0)+replaySlack, replayFor))
	topics = slices.DeleteFunc(slices.Clone(topics), func(topic string) bool { return !h.web.sees(c.ctx, topic) })
	for _, topic := range h.join(c, topics) {
		switch kind, n, _ := parseTopic(topic); kind {
		case "operation":
			h.watchRun(c, n)
		case "job":
			h.watchJob(c, topic)
		}
		h.replay(c, topic, since)
	}
}

// join replaces a connection's topics and returns the new ones among them.
func (h *hub) join(c *connection, topics []string) (fresh []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	mine, open := h.conns[c]
	if !open {
		return nil
	}
	var want []string
	for _, topic := range topics {
		kind, _, ok := parseTopic(topic)
		if ok && c.who.May(topicRights[kind]) && len(want) < liveTopics && !slices.Contains(want, topic) {
			want = append(want, topic)
		}
	}
	h.leave(c, slices.DeleteFunc(mine, func(topic string) bool { return slices.Contains(want, topic) }))
	for _, topic := range want {
		if h.topics[topic][c] {
			continue
		}
		if h.topics[topic] == nil {
			h.topics[topic] = map[*connection]bool{}
		}
		h.topics[topic][c] = true
		fresh = append(fresh, topic)
	}
	h.conns[c] = want
	for _, topic := range fresh {
		h.meet(topic)
	}
	return fresh
}

// replay tells what changed while the page was on its way, or to load it again when that is not known any more.
func (h *hub) replay(c *connection, topic string, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.missed[topic].After(since) {
		c.push(change{topic: topic, reload: true})
		return
	}
	for _, p := range h.recent {
		if p.topic == topic && p.at.After(since) {
			c.push(p.change)
		}
	}
}

// tell hands a change to the connections that want it; h.mu is held. keep makes it part of what later
// subscribers are told again.
func (h *hub) tell(ch change, keep bool) {
	for c := range h.topics[ch.topic] {
		c.push(ch)
	}
	if !keep {
		return
	}
	if len(h.recent) >= replayMax {
		h.forget()
	}
	h.recent = append(h.recent, past{time.Now(), ch})
}

// forget makes room in recent; h.mu is held.
func (h *hub) forget() {
	const n = replayMax / 4
	since := time.Now().Add(-replayFor)
	maps.DeleteFunc(h.missed, func(_ string, at time.Time) bool { return at.Before(since) })
	for _, p := range h.recent[:n] {
		h.missed[p.topic] = p.at
	}
	h.recent = append(h.recent[:0], h.recent[n:]...)
}

// wanted reports whether a topic has a subscriber; h.mu is held.
func (h *hub) wanted(topic string) bool { return len(h.topics[topic]) > 0 }

// topicRights says what a role must allow for each kind of topic.
var topicRights = map[string]account.Right{
	live.TopicHosts: account.See, live.TopicOperations: account.See, live.TopicEvents: account.See, live.TopicOverview: account.See,
	"host": account.See, "operation": account.See, "draft": account.Operate, "wizard": account.Operate, "log": account.See, "job": account.See,
}

// parseTopic splits "operation.12"; n is 0 for topics without a number, as those of jobs are.
func parseTopic(topic string) (kind string, n int64, ok bool) {
	switch topic {
	case live.TopicHosts, live.TopicOperations, live.TopicEvents, live.TopicOverview:
		return topic, 0, true
	}
	kind, number, _ := strings.Cut(topic, ".")
	switch kind {
	case "host", "operation", "draft", "wizard", "log":
		n, err := strconv.ParseInt(number, 10, 64)
		return kind, n, err == nil && n > 0 && strconv.FormatInt(n, 10) == number
	case "job":
		return kind, 0, uuid.Validate(number) == nil
	}
	return "", 0, false
}
