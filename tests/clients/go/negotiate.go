package signalr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// redirectsMax is how often a negotiation lets itself be sent on (§1.2).
const redirectsMax = 100

// Negotiation is what the server offered.
type Negotiation struct {
	Version             int
	ConnectionID, Token string
	Stateful            bool
	Transports          []TransportName
	Redirects           int
}

type negotiateAnswer struct {
	Error                *string
	UseStatefulReconnect bool
	NegotiateVersion     *int
	URL                  *string
	AccessToken          *string
	ConnectionID         *string
	ConnectionToken      *string
	AvailableTransports  []struct {
		Transport       TransportName
		TransferFormats []string
	}
}

// negotiate asks for a connection and follows redirects; the endpoint then is that of the connection.
func (e *endpoint) negotiate(ctx context.Context, version int, stateful bool) (*Negotiation, error) {
	for redirects := 0; redirects <= redirectsMax; redirects++ {
		answer, err := e.askNegotiate(ctx, version, stateful)
		if err != nil {
			return nil, err
		}
		if answer.Error != nil {
			return nil, errors.New(*answer.Error)
		}
		if answer.URL == nil {
			n, err := checkNegotiation(answer, version, stateful)
			if err != nil {
				return nil, err
			}
			n.Redirects = redirects
			e.id = n.Token
			return n, nil
		}
		hub, err := url.Parse(*answer.URL)
		if err != nil {
			return nil, violation("§1.2", "%v", err)
		}
		e.hub = *hub
		if answer.AccessToken != nil {
			e.token = *answer.AccessToken
		}
	}
	return nil, errors.New("too many redirects")
}

// askNegotiate sends one request; a negative version is left out.
func (e *endpoint) askNegotiate(ctx context.Context, version int, stateful bool) (*negotiateAnswer, error) {
	var extra []string
	if version >= 0 {
		extra = append(extra, "negotiateVersion", strconv.Itoa(version))
	}
	if stateful {
		extra = append(extra, "useStatefulReconnect", "true")
	}
	address := e.address(extra...)
	address.Path = strings.TrimSuffix(address.Path, "/") + "/negotiate"
	response, body, err := e.do(ctx, http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response, body)
	}
	var answer negotiateAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, violation("§1.2", "%v in %q", err, body)
	}
	// What an application answers in the place of the server is not held to its layout.
	if answer.URL != nil {
		return &answer, nil
	}
	if err := wantHeaders(response, "§1.2", "Content-Type", "application/json",
		"Content-Length", strconv.Itoa(len(body)), "Cache-Control", "", "Pragma", "", "Expires", ""); err != nil {
		return nil, err
	}
	return &answer, checkOrder(body, &answer)
}

// checkOrder holds an answer to the names and the order of §1.2.
func checkOrder(body []byte, answer *negotiateAnswer) error {
	want := []string{"error"}
	if answer.Error == nil {
		want = nil
		if answer.UseStatefulReconnect {
			want = append(want, "useStatefulReconnect")
		}
		want = append(want, "negotiateVersion", "connectionId")
		if answer.NegotiateVersion != nil && *answer.NegotiateVersion > 0 {
			want = append(want, "connectionToken")
		}
		want = append(want, "availableTransports")
	}
	all, err := members(bytes.TrimSpace(body))
	if err != nil {
		return err
	}
	var got []string
	for _, m := range all {
		got = append(got, m.name)
	}
	if strings.Join(got, ",") != strings.Join(want, ",") {
		return violation("§1.2", "the members are %v, not %v", got, want)
	}
	return nil
}

// connectionIDs are 16 bytes in base64url without padding.
var connectionIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

func checkNegotiation(answer *negotiateAnswer, version int, stateful bool) (*Negotiation, error) {
	want := version
	if want < 0 {
		want = 0
	}
	if want > 1 {
		want = 1
	}
	if *answer.NegotiateVersion != want {
		return nil, violation("§1.2", "version %d, not %d", *answer.NegotiateVersion, want)
	}
	n := &Negotiation{Version: want, ConnectionID: *answer.ConnectionID, Token: *answer.ConnectionID}
	if !connectionIDs.MatchString(n.ConnectionID) {
		return nil, violation("§1.2", "connection id %q", n.ConnectionID)
	}
	if want > 0 {
		n.Token = *answer.ConnectionToken
		if !connectionIDs.MatchString(n.Token) || n.Token == n.ConnectionID {
			return nil, violation("§1.2", "connection token %q of %q", n.Token, n.ConnectionID)
		}
	}
	n.Stateful = answer.UseStatefulReconnect
	if n.Stateful && !stateful {
		return nil, violation("§1.2", "stateful reconnect unasked")
	}
	// In this order, each with these formats; any may be missing.
	allowed := []TransportName{WebSockets, ServerSentEvents, LongPolling}
	for _, offered := range answer.AvailableTransports {
		for len(allowed) > 0 && allowed[0] != offered.Transport {
			allowed = allowed[1:]
		}
		if len(allowed) == 0 {
			return nil, violation("§1.2", "transports %v", answer.AvailableTransports)
		}
		allowed = allowed[1:]
		if strings.Join(offered.TransferFormats, ",") != strings.Join(offered.Transport.formats(), ",") {
			return nil, violation("§1.2", "%s has the formats %v", offered.Transport, offered.TransferFormats)
		}
		n.Transports = append(n.Transports, offered.Transport)
	}
	return n, nil
}
