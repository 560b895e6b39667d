package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

const (
	socketPath = "/api/1.48.0/sync"
	hello      = `{"type":"Connect","sessionId":"3f0b5a3e-7d0a-4c57-9f0c-1d2f3a4b5c6d","connectionCount":0,"lastCloseReason":"InitialConnect","clientTs":0}`
)

func subscribe(from, to, id int, path, args string) string {
	return fmt.Sprintf(`{"type":"ModifyQuerySet","baseVersion":%d,"newVersion":%d,"modifications":[{"type":"Add","queryId":%d,"udfPath":%s,"args":[%s]}]}`, from, to, id, asJSON(path), args)
}

func authenticate(value string) string {
	return `{"type":"Authenticate","baseVersion":0,` + value + `}`
}

func invoke(kind, path, args string) string {
	return fmt.Sprintf(`{"type":%s,"requestId":0,"udfPath":%s,"args":[%s]}`, asJSON(kind), asJSON(path), args)
}

// sockets returns dialogues of the sync protocol.
func sockets() []request {
	const changed, result, acted = "Transition", "MutationResponse", "ActionResponse"
	sign := `{"author":"Ada","message":"over the socket","mood":"thoughtful","visitor":"socket"}`
	list := frame{subscribe(0, 1, 0, "entries:list", `{}`), []string{changed}}
	talk := func(name string, frames ...frame) request {
		return request{area: "socket", name: name, path: socketPath, frames: append([]frame{{hello, nil}}, frames...)}
	}
	admin := frame{authenticate(`"tokenType":"Admin","value":"@{key}"`), nil}
	return []request{
		talk("subscribe", list),
		talk("two queries", list, frame{subscribe(1, 2, 1, "entries:search", `{"words":"entry"}`), []string{changed}}),
		talk("a query that fails", frame{subscribe(0, 1, 0, "entries:nothing", `{}`), []string{changed}}),
		talk("wrong arguments", frame{subscribe(0, 1, 0, "entries:list", `{"mood":"bored"}`), []string{changed}}),
		talk("no longer", list, frame{`{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":[{"type":"Remove","queryId":0}]}`, []string{changed}}),
		talk("a mutation reaches the subscription", list, frame{invoke("Mutation", "entries:sign", sign), []string{result, changed}}),
		talk("a mutation that fails", list, frame{invoke("Mutation", "entries:sign", `{}`), []string{result}}),
		talk("a mutation that is not there", frame{invoke("Mutation", "entries:nothing", `{}`), []string{result}}),
		talk("an action", frame{invoke("Action", "embeddings:similar", `{"text":"entry"}`), []string{acted}}),
		talk("an action that is not there", frame{invoke("Action", "embeddings:nothing", `{}`), []string{acted}}),
		talk("an internal function", frame{subscribe(0, 1, 0, "entries:get", `{"entryId":"@{entry}"}`), []string{changed}}),
		talk("a system query without a key", frame{subscribe(0, 1, 0, "_system/cli/queryEnvironmentVariables:default", `{}`), []string{changed}}),
		talk("a system query as an admin", admin, frame{subscribe(0, 1, 0, "_system/cli/queryEnvironmentVariables:default", `{}`), []string{changed, changed}}),
		talk("a wrong admin key", frame{authenticate(`"tokenType":"Admin","value":"@{strange}"`), []string{"AuthError", "FatalError"}}),
		talk("a token that is none", frame{authenticate(`"tokenType":"User","value":"a.b.c"`), []string{"AuthError"}}),
		talk("back to nobody", frame{authenticate(`"tokenType":"None"`), []string{changed}}),
		talk("no JSON", frame{`{"type":`, []string{"close"}}),
		talk("a type that is none", frame{`{"type":"Dance"}`, []string{"close"}}),
		talk("a version that is not its", frame{subscribe(5, 6, 0, "entries:list", `{}`), []string{"close"}}),
		talk("a query twice", list, frame{subscribe(1, 2, 0, "entries:list", `{}`), []string{"close"}}),
		{area: "socket", name: "without hello", path: socketPath, frames: []frame{list}},
		{area: "socket", name: "without a version", path: "/api/sync", frames: []frame{{hello, nil}, list}},
		{area: "socket", name: "a version that is none", path: "/api/x/sync", frames: []frame{{hello, nil}, list}},
		{area: "socket", name: "no upgrade", path: socketPath},
	}
}

// ordered goes through a map by its keys' order.
func ordered(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
