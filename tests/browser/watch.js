// Everything of a page that a visitor with open developer tools would see in red.

export class Watch {
  #complaints = [];
  #outage = false;

  constructor(page) {
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.#note(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.#note(`uncaught: ${error.message}`));
    page.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText;
      // Leaving a page breaks off what it was still loading; a server at fault shows as another error.
      if (reason !== "net::ERR_ABORTED") this.#note(`failed: ${request.method()} ${request.url()} ${reason}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) this.#note(`status ${response.status()}: ${response.url()}`);
    });
  }

  /** While the server is down, failing requests are what the page is expected to see. */
  outage(is) {
    this.#outage = is;
  }

  /** Fails when there was anything to complain about. */
  assertQuiet() {
    if (this.#complaints.length > 0) throw new Error(this.#complaints.join("\n"));
  }

  #note(complaint) {
    const ofNetwork = !complaint.startsWith("uncaught");
    if (!(this.#outage && ofNetwork)) this.#complaints.push(complaint);
  }
}
