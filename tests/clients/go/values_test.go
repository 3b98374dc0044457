package signalr

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// colour is an enum: a number in JSON, a name in MessagePack (the host's §2).
type colour int

var colourNames = []string{"Red", "Green", "Blue"}

func (c colour) EncodeMsgpack(encoder *msgpack.Encoder) error {
	return encoder.EncodeString(colourNames[c])
}

func (c *colour) DecodeMsgpack(decoder *msgpack.Decoder) error {
	name, err := decoder.DecodeString()
	for i, known := range colourNames {
		if name == known {
			*c = colour(i)
			return err
		}
	}
	return violation("§3.5", "the enum %q", name)
}

type pair struct {
	Key   *string
	Value int
}

func newPair(key string, value int) pair { return pair{&key, value} }

type everything struct {
	Flag    bool
	Small   uint8
	Whole   int32
	Big     int64
	Real    float64
	Text    *string
	Nothing *string
	Bytes   []byte
	ID      string `json:"Id" msgpack:"Id"`
	When    time.Time
	Colour  colour
	Maybe   *int
	Numbers []int
	Words   []*string
	Map     map[string]int
	Inner   *pair
	Pairs   []pair
}

// echoes sends a value there and back and compares.
func echoes[T any](c *client, method string, values ...T) {
	c.t.Helper()
	for _, value := range values {
		equal(c.t, call[T](c, method, value), value)
	}
}

func text(value string) *string { return &value }

const someID = "00010203-0405-0607-0706-050403020100"

func TestValues(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		echoes(c, "EchoBool", true, false)
		echoes(c, "EchoInt", int32(0), -1, 127, 128, -129, 65536, math.MinInt32, math.MaxInt32)
		echoes(c, "EchoLong", int64(0), math.MinInt64, math.MaxInt64, -1<<40)
		echoes(c, "EchoDouble", 0.5, -1e300, 5e-324, 9007199254740992.0, 0.1)
		echoes(c, "EchoString", text(""), text("grüße 𝄞\n\x00\u2028<&>\x1e"), nil)
		echoes(c, "EchoBytes", []byte{0, 255, 0x1e, 10}, []byte{}, nil)
		one := 1
		echoes(c, "EchoMaybe", &one, nil)
		echoes(c, "EchoGuid", someID)
		echoes(c, "EchoDate", time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 29, 23, 59, 59, 123456700, time.UTC),
			time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
		echoes(c, "EchoColour", colour(0), 1, 2)
		echoes(c, "EchoNumbers", []int{1, -2, 3}, []int{})
		echoes(c, "EchoWords", []*string{text("a"), nil, text("")})
		echoes(c, "EchoTable", [][]float64{{1.5}, {}, {2.25, -3.5}})
		echoes(c, "EchoMap", map[string]int{"a": 1, "ä b": -2}, map[string]int{})
	})
}

func TestAnyValue(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		echoes[any](c, "EchoAny", nil, true, 42, -7, 1.5, "x", []any{1, []any{}, nil, "y"},
			map[string]any{"a": map[string]any{"b": []any{false, 2.5}}, "": "empty"})
		var deep any = "bottom"
		for i := 0; i < 40; i++ {
			deep = []any{deep}
		}
		echoes(c, "EchoAny", deep)
	})
}

func TestObjects(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		inner, five := newPair("in", -1), 5
		full := everything{
			Flag: true, Small: 255, Whole: math.MinInt32, Big: math.MaxInt64, Real: -0.125, Text: text("tæxt"), Bytes: []byte{1, 2},
			ID: someID, When: time.Date(2020, 5, 6, 7, 8, 9, 0, time.UTC), Colour: 2, Maybe: &five, Numbers: []int{1},
			Words: []*string{nil, text("w")}, Map: map[string]int{"k": 9}, Inner: &inner, Pairs: []pair{{nil, 0}, newPair("p", 2)},
		}
		echoes(c, "EchoEverything", full, everything{ID: someID, When: full.When})
		equal(t, call[string](c, "Describe", true, 42, 2.5, "text", nil, []int{1, 2}, newPair("k", 3)), "yes 42 2.5 text none 1.2 k=3")
		equal(t, call[string](c, "Describe", false, -1, 0.1, "", 7, []int{}, newPair("", 0)), "no -1 0.1  7  =0")
	})
}

func TestObjectsOfTheTestHub(t *testing.T) {
	type object struct {
		String    *string
		IntArray  []int
		ByteArray []byte
		GUID      string `json:"Guid" msgpack:"Guid"`
		DateTime  time.Time
	}
	type custom struct {
		Name  *string
		Value int
	}
	eachWay(t, func(t *testing.T, w way) {
		came := newInbox[custom]()
		message := newInbox[string]()
		c := w.connect(t, "/testHub", on("CustomObject", came.handle), on("Message", message.handle))
		equal(t, call[string](c, "Echo", "hello"), "hello")
		want := object{text("hello world"), []int{1, 2, 3}, []byte{1, 2, 3}, someID, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
		equal(t, call[object](c, "SendComplexObject"), want)
		equal(t, call[object](c, "EchoComplexObject", want), want)
		equal(t, call[object](c, "EchoComplexObject", object{GUID: someID, DateTime: want.DateTime}),
			object{GUID: someID, DateTime: want.DateTime})
		c.do("SendCustomObject", custom{text("test"), 42})
		equal(t, came.next(t), custom{text("test"), 42})
		c.do("invokeWithString", "hi")
		equal(t, message.next(t), "hi")
		equal(t, call[string](c, "GetActiveTransportName"), w.transport)
		equal(t, c.refused("ThrowException", "oh"),
			"An unexpected error occurred invoking 'ThrowException' on the server. InvalidOperationException: oh")
	})
}

// exactly compares the bytes of a result.
func exactly(c *client, want []byte, target string, arguments ...any) {
	c.t.Helper()
	_, p, err := c.start(typeInvocation, target, arguments)
	if err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		c.t.Fatal("no answer")
	}
	if !bytes.Equal(p.result, want) {
		c.t.Fatalf("%s gives % x (%q), not % x: %v", target, []byte(p.result), []byte(p.result), want, p.err)
	}
}

func TestBytesOfValuesInJSON(t *testing.T) {
	each(t, []way{ways[0], ways[2], ways[3]}, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		raw := func(text string) json.RawMessage { return json.RawMessage(text) }
		exactly(c, []byte(`"2000-01-01T00:00:00Z"`), "EchoDate", raw(`"2000-01-01T00:00:00Z"`))
		exactly(c, []byte(`"`+someID+`"`), "EchoGuid", raw(`"`+someID+`"`))
		exactly(c, []byte(`"AQID"`), "EchoBytes", raw(`"AQID"`))
		exactly(c, []byte(`2`), "EchoColour", raw(`2`))
	})
}

func TestBytesOfValuesInMessagePack(t *testing.T) {
	each(t, []way{ways[1], ways[4]}, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		// Whatever the width on the way there, the shortest comes back.
		exactly(c, []byte{0x2a}, "EchoInt", int64(42))
		exactly(c, []byte{0xcd, 0x01, 0x2c}, "EchoLong", int64(300))
		exactly(c, []byte{0xe0}, "EchoInt", int64(-32))
		exactly(c, []byte{0xd0, 0xdf}, "EchoInt", int64(-33))
		exactly(c, []byte{0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0}, "EchoDouble", float32(1.5))
		exactly(c, []byte{0xc4, 0x02, 0x01, 0xff}, "EchoBytes", []byte{1, 255})
		exactly(c, []byte{0xa5, 'G', 'r', 'e', 'e', 'n'}, "EchoColour", "Green")
		exactly(c, append([]byte{0xd9, 36}, someID...), "EchoGuid", someID)
		exactly(c, []byte{0xd6, 0xff, 0x38, 0x6d, 0x43, 0x80}, "EchoDate", time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
		exactly(c, []byte{0xc0}, "Null")
	})
}
