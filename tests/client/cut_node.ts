// The entry of cut_driver.ts in Node: the job is the first argument, the report goes to stdout.
import process from "node:process";
import { drive } from "./cut_driver.ts";

process.stdout.write(JSON.stringify(await drive(JSON.parse(process.argv[2] ?? "{}"))));
