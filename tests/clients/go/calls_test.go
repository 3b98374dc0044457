package signalr

import (
	"strings"
	"testing"
	"time"
)

const (
	failed   = "An unexpected error occurred invoking 'Throw' on the server."
	unbound  = "Failed to invoke 'Add' due to an error on the server."
	notRight = "Failed to invoke 'AdminOnly' because user is unauthorized"
)

func TestResults(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		c.do("Nothing")
		equal(t, call[*string](c, "Null"), nil)
		equal(t, call[int](c, "Add", 40, 2), 42)
		equal(t, call[int](c, "Add", -2147483648, 2147483647), -1)
		equal(t, call[int](c, "aDD", 1, 2), 3)
		equal(t, call[int](c, "Length", "a€𝄞"), 4)
		equal(t, call[string](c, "Repeat", "ä\u2028\"\\\x00", 3), strings.Repeat("ä\u2028\"\\\x00", 3))
		equal(t, call[string](c, "Transport"), w.transport)
		equal(t, call[string](c, "ConnectionId"), c.Negotiation.ConnectionID)
		equal(t, call[*string](c, "UserName"), nil)
	})
}

func TestHubPathInAnyCase(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		w.connect(t, "/WorkHUB/").alive()
	})
}

func TestQueryOfTheUser(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub?colour=dark%20red%26&empty=")
		equal(t, call[*string](c, "Query", "colour"), "dark red&")
		equal(t, call[*string](c, "Query", "empty"), "")
		equal(t, call[*string](c, "Query", "other"), nil)
	})
}

func TestItemsStayWithTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c, other := w.connect(t, "/workhub"), w.connect(t, "/workhub")
		c.do("SetItem", "k", "v")
		equal(t, call[*string](c, "GetItem", "k"), "v")
		equal(t, call[*string](other, "GetItem", "k"), nil)
	})
}

func TestErrorsWithDetails(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		equal(t, c.refused("throw", "hub", "a"), failed+" HubException: a")
		equal(t, c.refused("Throw", "custom", "b"), failed+" SpecialHubException: b")
		equal(t, c.refused("Throw", "argument", "c"), failed+" ArgumentException: c")
		equal(t, c.refused("Throw", "x", "d ä"), failed+" InvalidOperationException: d ä")
		equal(t, c.refused("ThrowLater", 50, "e"),
			"An unexpected error occurred invoking 'ThrowLater' on the server. InvalidOperationException: e")
		equal(t, c.refused("add", 1), unbound+" InvalidDataException: Invocation provides 1 argument(s) but target expects 2.")
		equal(t, c.refused("Add", 1, 2, 3), unbound+" InvalidDataException: Invocation provides 3 argument(s) but target expects 2.")
		which := "Error binding arguments."
		if w.protocol == MessagePack {
			which = "Error binding argument 2."
		}
		equal(t, c.refused("Add", 1, "two"), unbound+" InvalidDataException: "+which+
			" Make sure that the types of the provided values match the types of the hub method being invoked.")
		c.alive()
	})
}

func TestErrorsWithoutDetails(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/quickhub")
		equal(t, c.refused("Throw", "hub", "a"), failed+" HubException: a")
		equal(t, c.refused("Throw", "custom", "b"), failed+" SpecialHubException: b")
		equal(t, c.refused("Throw", "x", "c"), failed)
		equal(t, c.refused("Add", 1), unbound)
		equal(t, c.refused("Add", 1, nil), unbound)
		c.alive()
	})
}

func TestUnknownMethods(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		for _, path := range []string{"/workhub", "/quickhub"} {
			c := w.connect(t, path)
			for _, name := range []string{"nOPE", "OnConnectedAsync", "ä"} {
				equal(t, c.refused(name), "Failed to invoke '"+name+"' due to an error on the server. HubException: Method does not exist.")
			}
			_, err := items[int](c, "Nope")
			equal(t, err.Error(), "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.")
		}
	})
}

func TestWrongKindOfCall(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		equal(t, c.refused("Count", 3, 0),
			"The client attempted to invoke the streaming 'Count' method with a non-streaming invocation.")
		_, err := items[int](c, "Add", 1, 2)
		equal(t, err.Error(), "The client attempted to invoke the non-streaming 'Add' method with a streaming invocation.")
		// Without an id the method does not run, and nothing comes.
		if err := c.Send("Count", 3, 0); err != nil {
			t.Fatal(err)
		}
		c.alive()
	})
}

func TestCallsWithoutAnswer(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		for _, arguments := range [][]any{
			{"Throw", "hub", "x"}, {"Nope"}, {"Add", 1}, {"Add", "a", "b"}, {"AdminOnly", "secret"}, {"Notify", "heard"},
		} {
			if err := c.Send(arguments[0].(string), arguments[1:]...); err != nil {
				t.Fatal(err)
			}
		}
		c.alive()
		equal(t, journal(t, tag), []string{"connected " + c.Negotiation.ConnectionID, "notified heard"})
	})
}

func TestMethodsForAdministrators(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		nobody := w.connect(t, "/workhub")
		equal(t, nobody.refused("adminonly", "x"), notRight)
		user := w.connect(t, "/workhub", withToken(token(t, "kim", "role", "guest")))
		equal(t, user.refused("AdminOnly", "x"), notRight)
		admin := w.connect(t, "/workhub?tag="+tag, withToken(token(t, "pat", "role", "admin")))
		equal(t, call[string](admin, "AdminOnly", "x"), "x")
		equal(t, call[*string](admin, "UserName"), "pat")
		equal(t, journal(t, tag)[1:], []string{"admin x"})
	})
}

// places runs slow calls at the same time and tells at which place each was answered.
func places(c *client, waits ...int) []int {
	c.t.Helper()
	var calls []*pending
	for _, ms := range waits {
		_, p, err := c.start(typeInvocation, "Slow", []any{ms, "x"})
		if err != nil {
			c.t.Fatal(err)
		}
		calls = append(calls, p)
	}
	var all []int
	for _, p := range calls {
		select {
		case <-p.done:
			all = append(all, p.place)
		case <-time.After(patience):
			c.t.Fatal("no answer")
		}
	}
	return all
}

func TestOrderOfAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		begin := time.Now()
		equal(t, places(c, 300, 150, 0), []int{1, 2, 3})
		if time.Since(begin) < 440*time.Millisecond {
			t.Fatal("the calls overlapped")
		}
		equal(t, places(w.connect(t, "/widehub"), 600, 300, 0), []int{3, 2, 1})
	})
}

func TestNumberedMessages(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		var fed []int
		finished := make(chan struct{})
		c := w.connect(t, "/workhub", on("Fed", func(call *Call) (any, error) {
			var number int
			var padding string
			err := call.Arguments(&number, &padding)
			if fed = append(fed, number); number == 200 {
				close(finished)
			}
			return nil, err
		}))
		for i := 1; i <= 20; i++ {
			equal(t, call[int](c, "Take", i, strings.Repeat("p", i*100)), i)
		}
		equal(t, len(call[[]int](c, "Taken")), 20)
		equal(t, call[int](c, "Burst", 100), 100)
		// What a method sends comes before its answer.
		equal(t, len(fed), 100)
		fed = nil
		c.do("Feed", 200, 0, 100)
		select {
		case <-finished:
		case <-time.After(patience):
			t.Fatal("the feed does not end")
		}
		for i, number := range fed {
			equal(t, number, i+1)
		}
	})
}

func TestLargeMessages(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		large := newInbox[string]()
		c := w.connect(t, "/widehub", on("Large", large.handle))
		// Around the borders of the length prefix, and beyond every buffer.
		for _, size := range []int{0, 100, 127, 128, 16_370, 16_384, 70_000, 1_000_000} {
			c.do("SendLarge", size)
			equal(t, len(large.next(t)), size)
			if size < 1_000_000 {
				equal(t, call[int](c, "Length", strings.Repeat("y", size)), size)
			}
		}
	})
}
