package tickhub;

import com.microsoft.signalr.TransportEnum;

/** How a client reaches its hub. */
enum Way {
    WEBSOCKETS("WebSockets", TransportEnum.WEBSOCKETS, false),
    WEBSOCKETS_WITHOUT_NEGOTIATION("WebSockets", TransportEnum.WEBSOCKETS, true),
    LONG_POLLING("LongPolling", TransportEnum.LONG_POLLING, false);

    final String serverName;
    final TransportEnum transport;
    final boolean skipsNegotiation;

    Way(String serverName, TransportEnum transport, boolean skipsNegotiation) {
        this.serverName = serverName;
        this.transport = transport;
        this.skipsNegotiation = skipsNegotiation;
    }
}
