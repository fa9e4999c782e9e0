// The base path: which texts are one, and what a request's path is below it.
import { assertEquals } from "@std/assert";
import { basePathOf, pathBelow } from "../../src/base/base_path.ts";

Deno.test("base path: slashes between plain names, without the one at the end", () => {
  for (const path of ["", "/pi", "/tools/pi", "/a.b/_c~-1", "/..."]) {
    assertEquals(basePathOf(path), path, path);
  }
  assertEquals([basePathOf("/"), basePathOf("/pi/"), basePathOf("/a/b/")], ["", "/pi", "/a/b"]);
  const bad = [
    "pi",
    "pi/",
    "//",
    "//pi",
    "/pi//",
    "/a//b",
    "/.",
    "/..",
    "/a/../b",
    "/./a",
    "/a b",
    "/a?b",
    "/a#b",
  ];
  for (const path of [...bad, "/a%2fb", "/ä", "/a\\b", "/a;b", 'a"', "https://x/y"]) {
    assertEquals(basePathOf(path), undefined, path);
  }
});

Deno.test("base path: a request's path with it and without it is the same path", () => {
  for (
    const [path, below] of [["/pi/", "/"], ["/pi/healthz", "/healthz"], ["/", "/"], ["/healthz", "/healthz"]]
  ) {
    assertEquals(pathBelow("/pi", path ?? ""), below);
  }
  assertEquals(pathBelow("/pi", "/pi"), "");
  // Only whole names count, and the base path comes once.
  for (const path of ["/pie", "/pip/", "/PI/", "/%70i/", "//pi/", "/x/pi/"]) {
    assertEquals(pathBelow("/pi", path), path);
  }
  assertEquals(pathBelow("/pi", "/pi/pi/"), "/pi/");
  assertEquals([pathBelow("", "/"), pathBelow("", "/pi/"), pathBelow("", "")], ["/", "/pi/", ""]);
});
