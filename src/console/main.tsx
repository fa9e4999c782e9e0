// The console's entry: it draws the page into #app. Runs in the browser, as a client of the protocol.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { render } from "preact";

const app = document.getElementById("app");
if (app !== null) render(<p>pi-server</p>, app);
