// Which pi this server is built on, as the greeting tells it: the router thread never loads pi to ask. An import
// map that puts another pi in place puts another file in this one's place, too. Pure.

/** The pi package that sessions run on. */
export const PI: { readonly package: string; readonly version: string } = {
  package: "@mariozechner/pi-coding-agent",
  version: "0.73.1",
};
