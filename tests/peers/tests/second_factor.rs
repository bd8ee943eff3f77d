//! What an app on a phone does with the picture of a seed: it looks at it, and shows codes from then on.

use data_encoding::BASE64;
use portcullis_peers::Chromium;
use portcullis_tests::{App, CHEAP_HASHING, Host};
use serde_json::{Value, json};
use url::Url;

/// Draws a picture as wide and high as this, on white, and gives how light each of its pixels is.
const DRAW: &str = "const [picture, size, done] = arguments;
    const image = new Image();
    image.onload = () => {
        const canvas = Object.assign(document.createElement('canvas'), { width: size, height: size });
        const context = canvas.getContext('2d');
        context.fillStyle = 'white';
        context.fillRect(0, 0, size, size);
        context.drawImage(image, 0, 0, size, size);
        done([...context.getImageData(0, 0, size, size).data].filter((_, index) => index % 4 === 0));
    };
    image.onerror = () => done('this is no picture');
    image.src = picture;";
const SIZE: usize = 400;

/// What is read in a picture, as a browser shows it.
#[track_caller]
fn scanned(svg: &str) -> String {
    let chromium = Chromium::start();
    let picture = format!("data:image/svg+xml;base64,{}", BASE64.encode(svg.as_bytes()));
    chromium.open(&picture);
    chromium.picture("totp");
    chromium.open("about:blank");
    let drawn = chromium.script_later(DRAW, vec![json!(picture), json!(SIZE)]);
    let lightness = |pixel: &Value| pixel.as_u64().and_then(|light| u8::try_from(light).ok());
    let pixels: Option<Vec<u8>> = drawn
        .as_array()
        .and_then(|pixels| pixels.iter().map(lightness).collect());
    let pixels = pixels.unwrap_or_else(|| panic!("{drawn}"));
    let mut seen = rqrr::PreparedImage::prepare_from_greyscale(SIZE, SIZE, |x, y| pixels[y * SIZE + x]);
    let codes = seen.detect_grids();
    assert_eq!(codes.len(), 1, "there is one code to be seen");
    codes[0].decode().expect("the code can be read").1
}

#[test]
fn an_app_that_scans_the_picture_shows_codes_that_are_right() {
    let host = Host::init().with_config(CHEAP_HASHING).start();
    host.account("ada@example.org", &[]);
    let ada = host.member("ada@example.org");
    let offer = ada.post("/auth/totp", &json!({})).expect(200).json();
    let seen = scanned(offer["qr_svg"].as_str().expect("a picture"));
    assert_eq!(seen, offer["otpauth_url"], "the picture is of the address");
    let url: Url = seen.parse().expect("an address");
    assert_eq!((url.scheme(), url.host_str()), ("otpauth", Some("totp")));
    let (_, secret) = url.query_pairs().find(|(name, _)| name == "secret").expect("a secret");
    let code = App::new(&secret).code();
    ada.post("/auth/totp/confirm", &json!({ "code": code })).expect(200);
}
