// A client of pi-server: starts it as a child, asks one question, prints the answer as it comes.
//
//	go run client.go "What is in this folder?"
//	go run client.go "Use a tool" pi-server --no-ws --demo
//
// Go 1.19 or later, standard library only. One JSON object is one line on the child's stdin and stdout.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Message is anything that the server says.
type Message struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Command   string          `json:"command"`
	Success   bool            `json:"success"`
	Error     string          `json:"error"`
	Code      string          `json:"code"`
	SessionID string          `json:"sessionId"`
	Data      json.RawMessage `json:"data"`
	Event     Event           `json:"event"`
}

// Event is an event of a session, as far as this program looks at it.
type Event struct {
	Type      string `json:"type"`
	ToolName  string `json:"toolName"`
	RequestID string `json:"requestId"`
	Method    string `json:"method"`
	Update    struct {
		Type  string `json:"type"`
		Delta string `json:"delta"`
	} `json:"assistantMessageEvent"`
}

// Client is a server of one's own.
type Client struct {
	server   *exec.Cmd
	input    io.WriteCloser
	output   *bufio.Reader
	commands int
}

func start(command []string) (*Client, error) {
	server := exec.Command(command[0], command[1:]...)
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	client := &Client{server: server, input: input, output: bufio.NewReader(output)}
	greeting, err := client.read()
	if err != nil || greeting.Type != "server_ready" {
		return nil, errors.New("the server did not greet; see above for its reason")
	}
	return client, nil
}

// read returns the next message. A line may be of any length, so no Scanner.
func (c *Client) read() (Message, error) {
	var message Message
	line, err := c.output.ReadBytes('\n')
	if len(line) == 0 {
		return message, err
	}
	return message, json.Unmarshal(line, &message)
}

// send sends a command and returns its id.
func (c *Client) send(kind string, fields map[string]any) (string, error) {
	c.commands++
	id := strconv.Itoa(c.commands)
	command := map[string]any{"id": id, "type": kind}
	for name, value := range fields {
		command[name] = value
	}
	text, err := json.Marshal(command)
	if err != nil {
		return "", err
	}
	_, err = c.input.Write(append(text, '\n'))
	return id, err
}

// ask sends a command, reads on until it is answered, and hands what comes before to onEvent.
func (c *Client) ask(kind string, fields map[string]any, onEvent func(Message), data any) error {
	id, err := c.send(kind, fields)
	if err != nil {
		return err
	}
	for {
		message, err := c.read()
		if err != nil {
			return fmt.Errorf("%s: the server has ended: %w", kind, err)
		}
		if message.Type == "event" {
			onEvent(message)
		} else if message.Type == "response" && message.ID == id {
			if !message.Success {
				return fmt.Errorf("%s: %s (%s)", kind, message.Error, message.Code)
			}
			return json.Unmarshal(message.Data, data)
		}
	}
}

func (c *Client) onEvent(message Message) {
	switch event := message.Event; event.Type {
	case "message_update":
		if event.Update.Type == "text_delta" {
			fmt.Print(event.Update.Delta)
		}
	case "tool_execution_start":
		fmt.Printf("\n[%s]\n", event.ToolName)
	case "extension_ui_request":
		switch event.Method {
		case "select", "confirm", "input", "editor":
			// An extension asks, and this program has nobody to ask. A failure shows at the next read.
			_, _ = c.send("extension_ui_response", map[string]any{
				"sessionId": message.SessionID, "requestId": event.RequestID,
				"response": map[string]any{"method": "cancelled"},
			})
		}
	}
}

// close lets the server finish what it was asked for, and end.
func (c *Client) close() error {
	if err := c.input.Close(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, c.output); err != nil {
		return err
	}
	return c.server.Wait()
}

func (c *Client) question(text string) error {
	var session struct{ SessionID string }
	if err := c.ask("create_session", nil, c.onEvent, &session); err != nil {
		return err
	}
	here := map[string]any{"sessionId": session.SessionID}
	if err := c.ask("subscribe", here, c.onEvent, &struct{}{}); err != nil {
		return err
	}
	var done struct {
		StopReason string
		Usage      struct{ TotalTokens int }
	}
	err := c.ask("prompt", map[string]any{
		"sessionId": session.SessionID, "message": text, "waitFor": "settled",
		// With a key the prompt runs once, however often it is sent.
		"idempotencyKey": fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()),
	}, c.onEvent, &done)
	if err == nil {
		fmt.Printf("\n(%s, %d tokens)\n", done.StopReason, done.Usage.TotalTokens)
	}
	return err
}

func run(args []string) error {
	text, command := "Hello", []string{"pi-server", "--no-ws"}
	if len(args) > 0 {
		text = args[0]
	}
	if len(args) > 1 {
		command = args[1:]
	}
	client, err := start(command)
	if err != nil {
		return err
	}
	if err := client.question(text); err != nil {
		_ = client.close()
		return err
	}
	return client.close()
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "client.go:", err)
		os.Exit(1)
	}
}
