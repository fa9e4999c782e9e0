// The entry of cut_driver.ts in a browser: fetches the job from its page's server, and posts the report there.
import { drive } from "./cut_driver.ts";

const job = await (await fetch("/job")).json();
const report = await drive(job).catch((error) => ({ error: String(error?.stack ?? error) }));
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
