// Does: lists the slash commands, skills and tools of one pi session, and its stats and context usage.
// Used by: agent.ts. The shapes are those of pi's own RPC mode.
import { errorMessage } from "../../base/error_message.ts";
import { dirname } from "node:path";
import { failure } from "../../protocol/errors.ts";
import type { AgentDiscovery } from "../session/agent_port.ts";
import type { LiveSession } from "./live_session.ts";
import { statsOf } from "./sdk/sdk.ts";

function commands(live: LiveSession): readonly unknown[] {
  const { extensionRunner, promptTemplates, resourceLoader } = live.session;
  return [
    ...extensionRunner.getRegisteredCommands().map(({ invocationName, description, sourceInfo }) => ({
      name: invocationName,
      description,
      source: "extension",
      sourceInfo,
    })),
    ...promptTemplates.map(({ name, description, sourceInfo }) => ({
      name,
      // pi passes on the value from the head of the file, which can be a number or a list.
      ...(typeof description === "string" ? { description } : {}),
      source: "prompt",
      sourceInfo,
    })),
    ...resourceLoader.getSkills().skills.map(({ name, description, sourceInfo }) => ({
      name: `skill:${name}`,
      description,
      source: "skill",
      sourceInfo,
    })),
  ];
}

/** The discovery of the session behind `live`. */
export function piDiscovery(live: LiveSession): AgentDiscovery {
  return {
    commands: () => commands(live),
    skills: () => live.session.resourceLoader.getSkills().skills,
    tools() {
      const active = new Set(live.session.getActiveToolNames());
      return live.session.getAllTools().map(({ name, description }) => ({
        name,
        description,
        active: active.has(name),
      }));
    },
    setTools(names) {
      const known = new Set(live.session.getAllTools().map((tool) => tool.name));
      const unknown = names.filter((name) => !known.has(name));
      if (unknown.length === 0) live.session.setActiveToolsByName([...names]);
      return unknown;
    },
    async reload() {
      try {
        await live.session.reload();
        return { ok: true, value: undefined };
      } catch (error) {
        return { ok: false, failure: failure("agent_error", `reload failed: ${errorMessage(error)}`) };
      } finally {
        await live.reloaded();
      }
    },
    lastAssistantText: () => live.session.getLastAssistantText() ?? null,
    stats: () => statsOf(live.session),
    contextUsage: () => live.session.getContextUsage() ?? null,
    sessionFolder() {
      const { sessionFile } = live.session;
      return sessionFile === undefined ? undefined : dirname(sessionFile);
    },
  };
}
