package library

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/philippseith/signalr"
)

// each runs a test over each way.
func each(t *testing.T, test func(t *testing.T, w way)) {
	over(t, ways, test)
}

func over(t *testing.T, ways []way, test func(t *testing.T, w way)) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { test(t, w) })
	}
}

func TestCalls(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		p := started(t, w, "/workhub", nil)
		p.returns("3", "Add", 1, 2)
		p.returns("<nil>", "Null")
		p.returns("<nil>", "Nothing")
		p.returns("Grüße 👩‍👩‍👧 <b>&\u2028", "EchoString", "Grüße 👩‍👩‍👧 <b>&\u2028")
		p.returns("[1 2 3]", "EchoNumbers", []int{1, 2, 3})
		p.returns("map[a:1 b:2]", "EchoMap", map[string]int{"a": 1, "b": 2})
		p.returns("2.5", "EchoDouble", 2.5)
		p.returns("true", "EchoBool", true)
		p.returns(string(w.transport), "Transport")
		p.returns("late", "Slow", 50, "late")
	})
}

func TestManyCallsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		p := started(t, w, "/workhub", nil)
		var answers []<-chan signalr.InvokeResult
		for number := 0; number < 200; number++ {
			answers = append(answers, p.Invoke("Add", number, number))
		}
		for number, outcome := range answers {
			value, err := p.answer(outcome)
			if got, want := fmt.Sprint(value), fmt.Sprint(2*number); err != nil || got != want {
				t.Errorf("%s, %v instead of %s", got, err, want)
			}
		}
	})
}

// Not over event streams: there the client loses a line that comes in two pieces.
func TestLargeTexts(t *testing.T) {
	over(t, ways[:2], func(t *testing.T, w way) {
		p := started(t, w, "/workhub", nil)
		p.returns(strings.Repeat("ab", 100_000), "Repeat", "ab", 100_000)
		p.returns("30000", "Length", strings.Repeat("x", 30_000))
	})
}

func TestErrors(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		p := started(t, w, "/workhub", nil)
		p.fails("An unexpected error occurred invoking 'Throw' on the server. HubException: no", "Throw", "hub", "no")
		p.fails("An unexpected error occurred invoking 'Throw' on the server. InvalidOperationException: why", "Throw", "other", "why")
		p.fails("Method does not exist", "Missing")
		p.fails("Failed to invoke 'Add' due to an error on the server", "Add", "one", "two")
		p.returns("3", "Add", 1, 2)
		quick := started(t, w, "/quickhub", nil)
		quick.fails("An unexpected error occurred invoking 'Throw' on the server.", "Throw", "other", "secret")
	})
}

func TestMessages(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		p := started(t, w, "/workhub?onconnect=greet", nil)
		id, err := p.answer(p.Invoke("ConnectionId"))
		if err != nil {
			t.Fatal(err)
		}
		p.hears(fmt.Sprint("welcome ", id))
		p.returns("20", "Burst", 20)
		var all []string
		for number := 1; number <= 20; number++ {
			all = append(all, fmt.Sprint(number, ""))
		}
		p.hears(all...)
	})
}

func TestGroups(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		one, other := started(t, w, "/workhub", nil), started(t, w, "/workhub", nil)
		group := []string{"library " + w.name}
		for _, p := range []*person{one, other} {
			p.returns("<nil>", "Join", group[0])
		}
		one.returns("<nil>", "Send", "Group", group, []string{}, "both")
		one.returns("<nil>", "Send", "OthersInGroup", group, []string{}, "other")
		other.returns("<nil>", "Leave", group[0])
		one.returns("<nil>", "Send", "Group", group, []string{}, "one")
		one.hears("both", "one")
		other.hears("both", "other")
	})
}

func TestStreams(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		p := started(t, w, "/workhub", nil)
		for _, row := range []struct {
			method    string
			arguments []interface{}
			items     string
			err       string
		}{
			{"Count", []interface{}{100, 0}, fmt.Sprint(numbers(100)), ""},
			{"Count", []interface{}{3, 20}, "[1 2 3]", ""},
			{"Words", []interface{}{3, 2}, "[aa bb cc]", ""},
			{"CountThenThrow", []interface{}{2, "hub", "enough"}, "", "enough"},
		} {
			items, err := p.pulls(row.method, row.arguments...)
			// Behind an error the client drops what it has not handed over yet.
			if got := fmt.Sprint(items); got != row.items && row.err == "" {
				t.Errorf("%s: %s instead of %s", row.method, got, row.items)
			}
			if (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
				t.Errorf("%s: %v instead of %q", row.method, err, row.err)
			}
		}
	})
}

func numbers(count int) (all []int) {
	for number := 1; number <= count; number++ {
		all = append(all, number)
	}
	return
}

func TestUploads(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		p := started(t, w, "/workhub", nil)
		words := make(chan string)
		go func() {
			defer close(words)
			for _, word := range []string{"a", "b", "c"} {
				words <- word
			}
		}()
		value, err := p.answer(p.PushStreams("Collect", words))
		if got := fmt.Sprint(value); err != nil || got != "[a b c]" {
			t.Errorf("%s, %v", got, err)
		}
	})
}

func TestJournal(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		tag := "library-" + strings.ReplaceAll(w.name, "/", "-")
		p := started(t, w, "/workhub?tag="+tag, nil)
		p.sends("Notify", "fire and forget")
		journal(t, tag, "notified fire and forget")
		journal(t, tag, "connected ")
		p.Stop()
		journal(t, tag, "disconnected ")
	})
}

// What a client does then differs: over event streams it does not notice the end.
func TestAborts(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		tag := "abort-" + strings.ReplaceAll(w.name, "/", "-")
		p := started(t, w, "/workhub?tag="+tag, nil)
		p.Send("Abort")
		journal(t, tag, "disconnected ")
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		token := get(t, "/generateJwtToken?user=ann&lifetime=600")
		started(t, w, "/authorizedhub?access_token="+token, nil).returns("ann", "GetUserNameIdentifier")
		// Its POSTs beside an event stream have no headers of the user's.
		if w.transport == signalr.TransportWebSockets {
			signed := func() http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
			started(t, w, "/authorizedhub", signed).returns("ann", "GetUserNameIdentifier")
		}
		stranger := prepared(t, w, "/authorizedhub", nil)
		stranger.Start()
		stranger.isRefused("401 Unauthorized")
	})
}

func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		p := prepared(t, w, "/bad-negotiate", nil)
		p.Start()
		p.isRefused("400 Bad Request")
	})
}
