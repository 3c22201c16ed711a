// Command tls is a server of Go's crypto/tls that hands what it decrypts on to another one. It reads its settings as
// JSON from a file, and prints the port of 127.0.0.1 on which it listens.
package main

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
)

type settings struct {
	// PEM texts: the certificates as they are sent, whatever their order, and the key of one of them.
	Chain, Key string
	// TLSv1 to TLSv1.3.
	Version string
	// By the names that IANA has for them, for TLS 1.2 and before.
	Ciphers []string
	// PEM text: client certificates that this has signed are asked for; with Required they have to be there.
	ClientCA string
	Required bool
	// The address:port to which it hands on.
	Target string
}

var versions = map[string]uint16{
	"TLSv1":   tls.VersionTLS10,
	"TLSv1.1": tls.VersionTLS11,
	"TLSv1.2": tls.VersionTLS12,
	"TLSv1.3": tls.VersionTLS13,
}

func main() {
	file := flag.String("settings", "", "the file with the settings")
	version := flag.Bool("version", false, "print the version of Go that it was built by, and end")
	flag.Parse()
	if *version {
		fmt.Println(runtime.Version())
		return
	}
	if err := serve(*file); err != nil {
		log.Fatal(err)
	}
}

func serve(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	config, err := configFor(s)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go hand(client.(*tls.Conn), s.Target)
	}
}

func configFor(s settings) (*tls.Config, error) {
	certificate, err := certificateOf(s)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	if s.Version != "" {
		config.MinVersion, config.MaxVersion = versions[s.Version], versions[s.Version]
	}
	for _, name := range s.Ciphers {
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if suite.Name == name {
				config.CipherSuites = append(config.CipherSuites, suite.ID)
			}
		}
	}
	if len(config.CipherSuites) < len(s.Ciphers) {
		return nil, fmt.Errorf("unknown among %v", s.Ciphers)
	}
	if s.ClientCA != "" {
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM([]byte(s.ClientCA))
		config.ClientAuth = tls.VerifyClientCertIfGiven
		if s.Required {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	return config, nil
}

// certificateOf takes the chain as it stands, where X509KeyPair would have the leaf first.
func certificateOf(s settings) (tls.Certificate, error) {
	var chain tls.Certificate
	for rest := []byte(s.Chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		chain.Certificate = append(chain.Certificate, block.Bytes)
	}
	block, _ := pem.Decode([]byte(s.Key))
	if block == nil {
		return chain, errors.New("no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return chain, err
	}
	chain.PrivateKey = key.(crypto.Signer)
	return chain, nil
}

func hand(client *tls.Conn, address string) {
	defer client.Close()
	if err := client.Handshake(); err != nil {
		log.Print(err)
		return
	}
	target, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer target.Close()
	go func() {
		_, _ = io.Copy(target, client)
		_ = target.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, target)
}
