//! A server of rustls that hands what it decrypts on to another one. It reads its settings as JSON from the file of
//! `-settings=FILE`, and prints the port of 127.0.0.1 on which it listens.
//!
//! - `chain`, `key`: PEM texts: the certificates as they are sent, whatever their order, and the key of one of them
//! - `version`: `TLSv1.2` or `TLSv1.3`; left out, both
//! - `ciphers`: the names that IANA has for them; left out, all that it has
//! - `clientCA`: PEM text: client certificates that this has signed are asked for; with `required` they have to be there
//! - `target`: the address:port to which it hands on

use std::error::Error;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    Builder::new_current_thread().enable_io().build()?.block_on(serve())
}

async fn serve() -> Fallible<()> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let file = argument.strip_prefix("-settings=").ok_or("no file with settings is named")?;
    let settings: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let acceptor = TlsAcceptor::from(Arc::new(config_for(&settings)?));
    let target = text(&settings, "target").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (client, _) = listener.accept().await?;
        let (acceptor, target) = (acceptor.clone(), target.clone());
        tokio::spawn(async move {
            if let Err(error) = hand(client, acceptor, &target).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn hand(client: TcpStream, acceptor: TlsAcceptor, target: &str) -> std::io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut target = TcpStream::connect(target).await?;
    copy_bidirectional(&mut client, &mut target).await?;
    Ok(())
}

fn config_for(settings: &Value) -> Fallible<ServerConfig> {
    let provider = Arc::new(provider_of(settings)?);
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions(settings)?)?;
    let builder = match text(settings, "clientCA") {
        "" => builder.with_no_client_auth(),
        authority => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            let is_required = settings["required"] == true;
            let verifier = if is_required {
                verifier
            } else {
                verifier.allow_unauthenticated()
            };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let chain = CertificateDer::pem_slice_iter(text(settings, "chain").as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(text(settings, "key").as_bytes())?;
    // unlike with_single_cert, this does not ask whether the key is that of the first one
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    Ok(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified))))
}

/// What encrypts and signs, with the ciphers that are wanted.
fn provider_of(settings: &Value) -> Fallible<CryptoProvider> {
    let mut provider = ring::default_provider();
    if let Some(names) = settings["ciphers"].as_array() {
        provider.cipher_suites.retain(|suite| {
            names
                .iter()
                .any(|name| name == iana(format!("{:?}", suite.suite())).as_str())
        });
        if provider.cipher_suites.len() < names.len() {
            return Err(format!("unknown among {names:?}").into());
        }
    }
    Ok(provider)
}

/// rustls calls those of TLS 1.3 `TLS13_AES_128_GCM_SHA256`.
fn iana(name: String) -> String {
    name.replacen("TLS13_", "TLS_", 1)
}

fn versions(settings: &Value) -> Fallible<Vec<&'static SupportedProtocolVersion>> {
    let name = match text(settings, "version") {
        "" => return Ok(ALL_VERSIONS.to_vec()),
        name => name.replace('.', "_"),
    };
    let known = ALL_VERSIONS
        .iter()
        .copied()
        .find(|known| format!("{:?}", known.version) == name);
    Ok(vec![known.ok_or(format!("it knows no {name}"))?])
}

/// The text of that name, or an empty one.
fn text<'a>(settings: &'a Value, name: &str) -> &'a str {
    settings[name].as_str().unwrap_or("")
}
