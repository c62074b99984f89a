"""Sign-in by a test client, for the tests of this room."""

PASSWORD = "un bon mot de passe"


def sign_in(client, email, password=PASSWORD, *, address="192.0.2.1", **more):
    return client.post(
        "/accounts/login/", {"login": email, "password": password, **more}, REMOTE_ADDR=address
    )


def is_signed_in(client):
    return client.get("/accounts/password/change/").status_code == 200
