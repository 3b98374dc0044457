package signalr

import (
	"net/http"
	"sort"
	"strings"
	"testing"
)

// listener is a client with its messages.
type listener struct {
	*client
	messages *inbox[string]
}

func (w way) listen(t *testing.T, path string, changes ...func(*Options)) *listener {
	t.Helper()
	messages := newInbox[string]()
	changes = append(changes, on("Message", messages.handle))
	return &listener{w.connect(t, path, changes...), messages}
}

func (l *listener) id() string { return l.Negotiation.ConnectionID }

// heard takes all that has come; a call behind it makes sure that nothing is on its way.
func (l *listener) heard() string {
	l.t.Helper()
	l.alive()
	var all []string
	for {
		select {
		case message := <-l.messages.came:
			all = append(all, message)
		default:
			return strings.Join(all, " ")
		}
	}
}

// party is three connections on three ways, with two users.
func party(t *testing.T, w way, path string) []*listener {
	t.Helper()
	// User names of its own for each test, so that tests can run at the same time.
	ann, bob := token(t, t.Name()+"ann"), token(t, t.Name()+"bob")
	return []*listener{
		w.listen(t, path, withToken(ann)),
		way{WebSockets, JSON}.listen(t, path, withToken(ann)),
		way{LongPolling, MessagePack}.listen(t, path, withToken(bob)),
	}
}

func TestSelectors(t *testing.T) {
	for _, w := range ways {
		// One after another: they send to all of the hub.
		t.Run(w.String(), func(t *testing.T) {
			all := party(t, w, "/widehub")
			sender := all[0]
			a, b := t.Name()+"a", t.Name()+"b"
			ann, bob := t.Name()+"ann", t.Name()+"bob"
			for i, groups := range [][]string{{a}, {a, b}, {b}} {
				for _, group := range groups {
					all[i].do("Join", group)
				}
			}
			id := func(i int) string { return all[i].id() }
			none := []string{}
			for _, row := range []struct {
				selector      string
				names, except []string
				want          [3]int // how many come
			}{
				{"All", none, none, [3]int{1, 1, 1}},
				{"Caller", none, none, [3]int{1, 0, 0}},
				{"Others", none, none, [3]int{0, 1, 1}},
				{"AllExcept", none, []string{id(0), id(2), "unknown"}, [3]int{0, 1, 0}},
				{"Client", []string{id(1)}, none, [3]int{0, 1, 0}},
				{"Client", []string{"unknown"}, none, [3]int{0, 0, 0}},
				{"Clients", []string{id(0), id(2)}, none, [3]int{1, 0, 1}},
				{"Group", []string{a}, none, [3]int{1, 1, 0}},
				{"Group", []string{strings.ToUpper(a)}, none, [3]int{0, 0, 0}},
				{"Groups", []string{a, b}, none, [3]int{1, 2, 1}},
				{"OthersInGroup", []string{a}, none, [3]int{0, 1, 0}},
				{"GroupExcept", []string{a}, []string{id(1)}, [3]int{1, 0, 0}},
				{"User", []string{ann}, none, [3]int{1, 1, 0}},
				{"User", []string{strings.ToUpper(ann)}, none, [3]int{0, 0, 0}},
				{"Users", []string{ann, bob}, none, [3]int{1, 1, 1}},
			} {
				sender.do("Send", row.selector, row.names, row.except, row.selector)
				for i, listener := range all {
					want := strings.TrimSpace(strings.Repeat(row.selector+" ", row.want[i]))
					if got := listener.heard(); got != want {
						t.Errorf("%s %v: connection %d heard %q, not %q", row.selector, row.names, i, got, want)
					}
				}
			}
		})
	}
}

func TestGroups(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		all := party(t, w, "/workhub")
		first, second := all[0], all[1]
		group := t.Name()
		send := func(text string) { second.do("Send", "Group", []string{group}, []string{}, text) }
		send("nobody")
		first.do("Leave", group)
		first.do("Join", group)
		first.do("Join", group)
		send("one")
		equal(t, first.heard(), "one")
		second.do("JoinOther", all[2].id(), group)
		second.do("JoinOther", "unknown", group)
		send("two")
		equal(t, first.heard()+all[2].heard()+second.heard(), "twotwo")
		second.do("LeaveOther", first.id(), group)
		second.do("LeaveOther", "unknown", group)
		send("three")
		equal(t, first.heard()+all[2].heard(), "three")
		second.do("SendMany", group, 100, "n")
		for i, message := range all[2].messages.take(t, 100) {
			equal(t, message, "n"+show(i+1))
		}
	})
}

func TestGroupsEndWithTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		gone, stays := w.listen(t, "/workhub?tag="+tag), w.listen(t, "/workhub")
		gone.do("Join", t.Name())
		gone.ended = true
		must(t, gone.Stop(soon()))
		awaitEntry(t, tag, "disconnected")
		again := w.listen(t, "/workhub")
		if again.id() == gone.id() {
			t.Fatal("the id is used again")
		}
		stays.do("Send", "Group", []string{t.Name()}, []string{}, "x")
		stays.do("Send", "Client", []string{gone.id()}, []string{}, "x")
		equal(t, again.heard()+stays.heard(), "")
	})
}

func TestSendersFromOutside(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		all := party(t, w, "/workhub")
		a, ann, bob := t.Name(), t.Name()+"ann", t.Name()+"bob"
		request(t, http.MethodPost, "/external", "action", "join", "names", all[0].id()+","+a)
		request(t, http.MethodPost, "/external", "action", "join", "names", all[2].id()+","+a)
		for _, row := range []struct{ selector, names, except, want string }{
			{"Client", all[1].id(), "", "1"},
			{"Clients", all[1].id() + "," + all[2].id(), "", "1 2"},
			{"Group", a, "", "0 2"},
			{"GroupExcept", a, all[0].id(), "2"},
			{"User", ann, "", "0 1"},
			{"Users", ann + "," + bob, "", "0 1 2"},
		} {
			request(t, http.MethodPost, "/external", "selector", row.selector, "names", row.names, "except", row.except, "text", "x")
			var who []string
			for i, listener := range all {
				if listener.heard() == "x" {
					who = append(who, show(i))
				}
			}
			sort.Strings(who)
			if got := strings.Join(who, " "); got != row.want {
				t.Errorf("%s reaches %q, not %q", row.selector, got, row.want)
			}
		}
		request(t, http.MethodPost, "/external", "action", "leave", "names", all[0].id()+","+a)
		request(t, http.MethodPost, "/external", "selector", "Group", "names", a, "text", "y")
		equal(t, all[0].heard()+all[2].heard(), "y")
	})
}

func TestHubsShareNoConnections(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		work, quick := w.listen(t, "/workhub"), w.listen(t, "/quickhub")
		quick.do("Send", "Client", []string{work.id()}, []string{}, "x")
		work.do("Send", "Client", []string{quick.id()}, []string{}, "x")
		equal(t, work.heard()+quick.heard(), "")
	})
}
