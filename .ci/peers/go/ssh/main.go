// Command ssh is a bastion made of Go's golang.org/x/crypto/ssh. It reads its settings as JSON from a file, makes its
// host key, and prints the port of 127.0.0.1 on which it listens, then the fingerprint of the key.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"

	"golang.org/x/crypto/ssh"
)

type settings struct {
	// ed25519, rsa or ecdsa
	HostKey string
	User    string
	// Taken as a password, unless Asks.
	Password string
	// The password is asked for by keyboard-interactive, in so many questions.
	Asks int
	// In the form of authorized_keys.
	AuthorizedKey string
	// Wants the key and then the password.
	Both bool
	// Left out: Go's own.
	Ciphers, KeyExchanges, MACs, PublicKeyAlgorithms []string
	// The host:port that are opened. Any other is refused as prohibited.
	Forwards []string
	// Where those that are opened lead.
	Target string
	// Says that it is out of resources instead of opening anything.
	Short bool
	// Shown before the sign-in.
	Banner string
}

func main() {
	file := flag.String("settings", "", "the file with the settings")
	flag.Parse()
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
	signer, err := hostKey(s.HostKey)
	if err != nil {
		return err
	}
	config := configFor(s)
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port, ssh.FingerprintSHA256(signer.PublicKey()))
	for {
		socket, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := handle(socket, config, s); err != nil {
				log.Print(err)
			}
		}()
	}
}

func hostKey(kind string) (ssh.Signer, error) {
	var key crypto.Signer
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromSigner(key)
}

var errRefused = errors.New("refused")

func configFor(s settings) *ssh.ServerConfig {
	config := &ssh.ServerConfig{
		Config:                  ssh.Config{Ciphers: s.Ciphers, KeyExchanges: s.KeyExchanges, MACs: s.MACs},
		PublicKeyAuthAlgorithms: s.PublicKeyAlgorithms,
		MaxAuthTries:            3,
	}
	if s.Banner != "" {
		config.BannerCallback = func(ssh.ConnMetadata) string { return s.Banner }
	}
	password := func(meta ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
		if meta.User() == s.User && string(given) == s.Password {
			return nil, nil
		}
		return nil, errRefused
	}
	asked := func(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		questions := make([]string, s.Asks)
		for at := range questions {
			questions[at] = "Answer: "
		}
		answers, err := ask("", "", questions, make([]bool, s.Asks))
		if err != nil {
			return nil, err
		}
		if meta.User() == s.User && len(answers) == 1 && answers[0] == s.Password {
			return nil, nil
		}
		return nil, errRefused
	}
	byPassword := ssh.ServerAuthCallbacks{}
	if s.Password != "" {
		if s.Asks > 0 {
			byPassword.KeyboardInteractiveCallback = asked
		} else {
			byPassword.PasswordCallback = password
		}
	}
	if s.AuthorizedKey != "" {
		config.PublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.AuthorizedKey))
			if err != nil {
				return nil, err
			}
			if meta.User() != s.User || !bytes.Equal(known.Marshal(), key.Marshal()) {
				return nil, errRefused
			}
			if s.Both {
				return nil, &ssh.PartialSuccessError{Next: byPassword}
			}
			return nil, nil
		}
	}
	if !s.Both {
		config.PasswordCallback = byPassword.PasswordCallback
		config.KeyboardInteractiveCallback = byPassword.KeyboardInteractiveCallback
	}
	return config
}

// directTcpip is what RFC 4254 has for the opening of such a channel.
type directTcpip struct {
	Host       string
	Port       uint32
	Originator string
	From       uint32
}

func handle(socket net.Conn, config *ssh.ServerConfig, s settings) error {
	defer socket.Close()
	connection, channels, requests, err := ssh.NewServerConn(socket, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		go open(offered, s)
	}
	return nil
}

func open(offered ssh.NewChannel, s settings) {
	var wanted directTcpip
	if offered.ChannelType() != "direct-tcpip" || ssh.Unmarshal(offered.ExtraData(), &wanted) != nil {
		_ = offered.Reject(ssh.UnknownChannelType, "no")
		return
	}
	if s.Short {
		_ = offered.Reject(ssh.ResourceShortage, "no")
		return
	}
	place := net.JoinHostPort(wanted.Host, strconv.Itoa(int(wanted.Port)))
	allowed := false
	for _, forward := range s.Forwards {
		allowed = allowed || forward == place
	}
	if !allowed {
		_ = offered.Reject(ssh.Prohibited, "no")
		return
	}
	target, err := net.Dial("tcp", s.Target)
	if err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, "no")
		return
	}
	defer target.Close()
	channel, requests, err := offered.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	go ssh.DiscardRequests(requests)
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(channel, target)
		_ = channel.CloseWrite()
		close(done)
	}()
	_, _ = io.Copy(target, channel)
	if half, ok := target.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
	<-done
}
