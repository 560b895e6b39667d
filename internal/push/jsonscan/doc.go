// Package jsonscan looks through a JSON document of any size with a window of
// fixed size: it returns where values are, decodes the few that are asked for, and
// passes over the rest. It is for documents of tens of megabytes of which nearly
// everything is sent on as it is; for everything else there is encoding/json.
// The tokenizer of encoding/json/jsontext can replace it once Go has that package
// without GOEXPERIMENT=jsonv2.
package jsonscan
