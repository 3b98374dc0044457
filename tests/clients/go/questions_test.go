package signalr

import (
	"errors"
	"testing"
	"time"
)

const asked = "An unexpected error occurred invoking 'AskCaller' on the server. HubException: "

// answer is a handler for a question with one string.
func answer(reply func(argument string) (any, error)) Handler {
	return func(call *Call) (any, error) {
		var argument string
		if err := call.Arguments(&argument); err != nil {
			return nil, err
		}
		return reply(argument)
	}
}

func TestQuestions(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub",
			on("Name", answer(func(a string) (any, error) { return a + "!", nil })),
			on("Null", answer(func(string) (any, error) { return nil, nil })),
			on("Fail", answer(func(string) (any, error) { return nil, errors.New("no idea") })),
			on("Number", answer(func(string) (any, error) { return 5, nil })),
			on("Pair", func(call *Call) (any, error) {
				var p pair
				err := call.Arguments(&p)
				p.Value *= 2
				return p, err
			}),
		)
		equal(t, call[*string](c, "AskCaller", "Name", "ann"), "ann!")
		equal(t, call[*string](c, "AskCaller", "Null", "x"), nil)
		equal(t, c.refused("AskCaller", "Fail", "x"), asked+"no idea")
		equal(t, call[pair](c, "AskPair", "Pair", newPair("k", 21)), newPair("k", 42))
		wrong := c.refused("AskCaller", "Number", "x")
		if want := asked + "Error trying to deserialize result to String."; len(wrong) < len(want) || wrong[:len(want)] != want {
			t.Fatal(wrong)
		}
		c.alive()
	})
}

func TestQuestionsToOthers(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		other := way{WebSockets, MessagePack}.connect(t, "/workhub",
			on("Number", func(call *Call) (any, error) { return 7, call.Arguments() }),
			on("Index", func(call *Call) (any, error) {
				var index int
				err := call.Arguments(&index)
				return index * 10, err
			}))
		c := w.connect(t, "/workhub", on("Index", func(call *Call) (any, error) {
			var index int
			err := call.Arguments(&index)
			return -index, err
		}))
		equal(t, call[int](c, "AskNumber", other.Negotiation.ConnectionID, "Number"), 7)
		ids := []string{other.Negotiation.ConnectionID, c.Negotiation.ConnectionID, other.Negotiation.ConnectionID}
		equal(t, call[[]int](c, "AskMany", ids, "Index"), []int{0, -1, 20})
		equal(t, c.refused("AskNumber", "nobody", "Number"),
			"An unexpected error occurred invoking 'AskNumber' on the server. IOException: Connection 'nobody' does not exist.")
	})
}

func TestQuestionToOneWhoGoes(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		questions := make(chan struct{}, 1)
		hold := make(chan struct{})
		defer close(hold)
		other := w.connect(t, "/workhub", on("Number", func(*Call) (any, error) {
			questions <- struct{}{}
			<-hold
			return 0, nil
		}))
		c := w.connect(t, "/workhub")
		id := other.Negotiation.ConnectionID
		running := begin[int](c, "AskNumber", id, "Number")
		<-questions
		other.ended = true
		must(t, other.Stop(soon()))
		_, err := running.end(t)
		equal(t, err, HubError("An unexpected error occurred invoking 'AskNumber' on the server. IOException: Connection '"+id+"' disconnected."))
	})
}

func TestQuestionWithATimeLimit(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		late := make(chan time.Duration, 1)
		c := w.connect(t, "/workhub", on("Ask", func(call *Call) (any, error) {
			time.Sleep(<-late)
			return "here", call.Arguments()
		}))
		late <- 0
		equal(t, call[string](c, "AskWithin", "Ask", 5000), "here")
		late <- 300 * time.Millisecond
		equal(t, call[string](c, "AskWithin", "Ask", 100), "no answer in time")
		// The answer that is too late hurts nobody.
		time.Sleep(300 * time.Millisecond)
		c.alive()
	})
}

func TestCallsWhileAQuestionIsOpen(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		hold := make(chan struct{})
		c := w.connect(t, "/workhub", on("Ask", answer(func(string) (any, error) {
			<-hold
			return "done", nil
		})))
		running := begin[string](c, "AskCaller", "Ask", "x")
		c.alive()
		close(hold)
		text, err := running.end(t)
		must(t, err)
		equal(t, text, "done")
	})
}

func TestQuestionOverTheHost(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/testhub", on("Result", func(call *Call) (any, error) { return 42, call.Arguments() }))
		equal(t, get(t, "/clientresult/"+c.Negotiation.ConnectionID), "42")
		equal(t, get(t, "/clientresult/nobody"), "Connection 'nobody' does not exist.")
	})
}

func TestAnswerWithoutQuestion(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		one, err := w.protocol.Marshal(1)
		must(t, err)
		must(t, c.write(&Message{Type: typeCompletion, ID: "s999999", Result: one}))
		must(t, c.write(&Message{Type: typeStreamItem, ID: "nothing", Item: one}))
		c.alive()
	})
}

func TestAnswerOfAStranger(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		ids := make(chan string, 1)
		hold := make(chan struct{})
		tag := newTag()
		asked := w.connect(t, "/workhub", on("Ask", func(call *Call) (any, error) {
			ids <- call.ID
			<-hold
			return "mine", nil
		}))
		stranger := w.connect(t, "/workhub?tag="+tag)
		running := begin[string](asked, "AskCaller", "Ask", "x")
		theirs, err := w.protocol.Marshal("theirs")
		must(t, err)
		id := <-ids
		must(t, stranger.write(&Message{Type: typeCompletion, ID: id, Result: theirs}))
		stranger.endsWith("Connection closed with an error. InvalidOperationException: Connection ID '"+
			stranger.Negotiation.ConnectionID+"' is not valid for invocation ID '"+id+"'.", true)
		awaitEntry(t, tag, "disconnected "+stranger.Negotiation.ConnectionID+" InvalidOperationException")
		close(hold)
		text, err := running.end(t)
		must(t, err)
		equal(t, text, "mine")
	})
}
