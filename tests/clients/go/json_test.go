package signalr

import (
	"strings"
	"testing"
	"time"
)

// script is a connection over WebSockets without a client on this side: text there, text back.
type script struct {
	t  *testing.T
	tr transport
}

func newScript(t *testing.T, path string) *script {
	t.Helper()
	tr, err := negotiated(t, path).attach(soon(), WebSockets)
	must(t, err)
	s := &script{t, tr}
	t.Cleanup(tr.Drop)
	s.says("{\"protocol\":\"json\",\"version\":1}\x1e", "{}\x1e")
	return s
}

// says sends, and reads until all of the answer has come.
func (s *script) says(request string, answers ...string) {
	s.t.Helper()
	must(s.t, s.tr.Send([]byte(request), false))
	want := strings.Join(answers, "")
	got := ""
	for len(got) < len(want) {
		piece, _, err := s.tr.Receive()
		if err != nil {
			s.t.Fatalf("%q: %v after %q", request, err, got)
		}
		got += string(piece)
	}
	if got != want {
		s.t.Fatalf("%q: got %q, not %q", request, got, want)
	}
}

// ends sends, and reads the Close message that begins like that, and the end.
func (s *script) ends(request, begin string, allowReconnect bool) {
	s.t.Helper()
	must(s.t, s.tr.Send([]byte(request), false))
	piece, _, err := s.tr.Receive()
	must(s.t, err)
	got := string(piece)
	want := `{"type":7`
	if begin != "" {
		want += `,"error":"` + begin
	}
	rest := "}\x1e"
	if allowReconnect {
		rest = `,"allowReconnect":true` + rest
	}
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, rest) {
		s.t.Fatalf("%q: got %q, not %q … %q", request, got, want, rest)
	}
	if _, _, err := s.tr.Receive(); !isEnd(err) {
		s.t.Fatal(err)
	}
}

const three = `{"type":3,"invocationId":"i","result":3}` + "\x1e"

func TestMembersInEveryOrder(t *testing.T) {
	t.Parallel()
	s := newScript(t, hub)
	members := []string{`"type":1`, `"invocationId":"i"`, `"target":"Add"`, `"arguments":[1,2]`}
	var permute func(chosen, rest []string)
	permute = func(chosen, rest []string) {
		if len(rest) == 0 {
			s.says("{"+strings.Join(chosen, ",")+"}\x1e", three)
		}
		for i, member := range rest {
			others := append(append([]string{}, rest[:i]...), rest[i+1:]...)
			permute(append(append([]string{}, chosen...), member), others)
		}
	}
	permute(nil, members)
}

func TestWhatJSONAllows(t *testing.T) {
	t.Parallel()
	s := newScript(t, hub)
	for _, record := range []string{
		" \r\n{ \"type\" : 1 , \"target\":\"Add\",\t\"arguments\" : [ 1 , 2 ] , \"invocationId\" : \"i\" } ",
		`{"type":1,"invocationId":"i","target":"Add","arguments":[1,2],"more":{"type":7,"a":[{}]},"Type":9}`,
		`{"type":1,"invocationId":"i","target":"Add","arguments":[1,2],"headers":{"a":"b"},"streamIds":[]}`,
		`{"type":1,"invocationId":"x","invocationId":"i","target":"Nope","target":"Add","arguments":[1,2]}`,
		`{"type":1,"invocationId":"\u0069","target":"\u0041dd","arguments":[1,2]}`,
		`{"type":1,"invocationId":"i","target":"Add","arguments":[1,2]} and more`,
	} {
		s.says(record+"\x1e", three)
	}
	// No answer: an empty id, types that do not exist, acknowledgements without need for them.
	s.says(`{"type":1,"invocationId":"","target":"Add","arguments":[1,2]}`+"\x1e"+`{"type":99,"x":[1]}`+"\x1e"+
		`{"type":8,"sequenceId":1}`+"\x1e"+`{"type":9,"sequenceId":1}`+"\x1e"+`{"type":6}`+"\x1e"+
		`{"type":1,"invocationId":"i","target":"Add","arguments":[1,2]}`+"\x1e", three)
}

func TestProtocolErrorsInJSON(t *testing.T) {
	t.Parallel()
	const begin = "Connection closed with an error. InvalidDataException: "
	for record, text := range map[string]string{
		`{}`:                        "Missing required property 'type'.",
		`{"target":"x"}`:            "Missing required property 'type'.",
		`{"type":"1"}`:              "Expected 'type' to be of type Number.",
		`[]`:                        "",
		`1`:                         "",
		`{"type":1`:                 "",
		`{"type":1,}`:               "",
		`{"type":1}`:                "Missing required property 'target'.",
		`{"type":1,"arguments":[]}`: "Missing required property 'target'.",
		`{"type":1,"target":"Add"}`: "Missing required property 'arguments'.",
		`{"type":4,"invocationId":"1","target":"Add"}`:                                     "Missing required property 'arguments'.",
		`{"type":1,"target":1,"arguments":[]}`:                                             "Expected 'target' to be of type String.",
		`{"type":1,"target":null,"arguments":[]}`:                                          "Expected 'target' to be of type String.",
		`{"type":1,"invocationId":null,"target":"Add","arguments":[1,2]}`:                  "Expected 'invocationId' to be of type String.",
		`{"type":1,"invocationId":1,"target":"Add","arguments":[1,2]}`:                     "Expected 'invocationId' to be of type String.",
		`{"type":1,"invocationId":"1","target":"Add","arguments":[1,2],"streamIds":null}`:  "",
		`{"type":1,"invocationId":"1","target":"Add","arguments":[1,2],"headers":{"a":1}}`: "",
		`{"type":2,"invocationId":"1"}`:                                                    "Missing required property 'item'.",
		`{"type":2,"item":1}`:                                                              "Missing required property 'invocationId'.",
		`{"type":3,"result":1}`:                                                            "Missing required property 'invocationId'.",
		`{"type":3,"invocationId":"1","result":1,"error":"e"}`:                             "The 'error' and 'result' properties are mutually exclusive.",
		`{"type":3,"invocationId":"1","error":null}`:                                       "Expected 'error' to be of type String.",
		`{"type":4,"target":"Count","arguments":[1,0]}`:                                    "Missing required property 'invocationId'.",
		`{"type":5}`:              "Missing required property 'invocationId'.",
		`{"type":7,"error":null}`: "Expected 'error' to be of type String.",
		`{"type":8}`:              "Missing required property 'sequenceId'.",
		`{"type":9}`:              "Missing required property 'sequenceId'.",
	} {
		record, text := record, text
		t.Run(strings.ReplaceAll(record, "/", "|"), func(t *testing.T) {
			t.Parallel()
			tag := newTag()
			newScript(t, hub+"?tag="+tag).ends(record+"\x1e", begin+text, true)
			entry := awaitEntry(t, tag, "disconnected ")
			if !strings.HasSuffix(entry, " InvalidDataException") {
				t.Fatal(entry)
			}
		})
	}
}

func TestProtocolErrorWithoutDetails(t *testing.T) {
	t.Parallel()
	newScript(t, "/quickhub").ends("{}\x1e", `Connection closed with an error."`, true)
}

func TestDepthOfJSON(t *testing.T) {
	t.Parallel()
	s := newScript(t, hub)
	nested := func(depth int) string {
		return `{"type":1,"invocationId":"i","target":"EchoAny","arguments":[` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "]}\x1e"
	}
	deep := strings.Repeat("[", 62) + strings.Repeat("]", 62)
	s.says(nested(62), `{"type":3,"invocationId":"i","result":`+deep+"}\x1e")
	must(t, s.tr.Send([]byte(nested(63)), false))
	piece, _, err := s.tr.Receive()
	must(t, err)
	if !strings.Contains(string(piece), `"error":`) {
		t.Fatalf("%q", piece)
	}
}

func TestNothingBehindTheGoodbye(t *testing.T) {
	t.Parallel()
	tag := newTag()
	s := newScript(t, hub+"?tag="+tag)
	s.ends(`{"type":7}`+"\x1e"+`{"type":1,"invocationId":"1","target":"Notify","arguments":["late"]}`+"\x1e", "", false)
	awaitEntry(t, tag, "disconnected")
	if entries := journal(t, tag); len(entries) != 2 {
		t.Fatal(entries)
	}
}

func TestCallsBehindTheHandshake(t *testing.T) {
	eachTransport(t, func(t *testing.T, name TransportName) {
		tr, err := negotiated(t, hub).attach(soon(), name)
		must(t, err)
		defer tr.Drop()
		must(t, tr.Send([]byte("{\"version\":1,\"protocol\":\"Json\"}\x1e"+
			`{"type":1,"invocationId":"i","target":"Add","arguments":[1,2]}`+"\x1e"), false))
		got := ""
		for len(got) < len(three)+3 {
			piece, _, err := tr.Receive()
			must(t, err)
			got += string(piece)
		}
		equal(t, got, "{}\x1e"+three)
	}, WebSockets, ServerSentEvents, LongPolling)
}

func TestHalfAMessageAtTheEnd(t *testing.T) {
	t.Parallel()
	tag := newTag()
	s := newScript(t, hub+"?tag="+tag)
	must(t, s.tr.Send([]byte(`{"type":1,"tar`), false))
	time.Sleep(50 * time.Millisecond)
	must(t, s.tr.(*webSocket).SendClose(1000, ""))
	entry := awaitEntry(t, tag, "disconnected ")
	if !strings.HasSuffix(entry, " InvalidDataException") {
		t.Fatal(entry)
	}
}
