// net/http, with its client's timeout.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		panic(err)
	}
	client := http.Client{Timeout: time.Duration(seconds * float64(time.Second))}
	started := time.Now()
	answer, err := client.Get(os.Args[1])
	if err != nil {
		fmt.Println("failed", time.Since(started).Milliseconds(), err)
		return
	}
	answer.Body.Close()
	fmt.Println(answer.StatusCode)
}
