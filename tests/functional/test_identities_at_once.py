"""Two clicks at once do not take away the last two ways to log in."""

from threading import Barrier, Thread

from donkies.domain.identities import IdentityService, LastWayIn
from donkies.domain.social import SocialAnswer
from donkies.testing.app import make_person


def test_of_two_disconnections_at_once_one_is_refused(testapp):
    person, refused, ready = make_person(testapp), [], Barrier(2)
    with testapp.service(IdentityService) as identities:
        for provider in ("google", "facebook"):
            identities.join(person.id, SocialAnswer(provider=provider, subject="1"))

    def disconnect(provider):
        with testapp.service(IdentityService) as identities:
            ready.wait(10)
            try:
                identities.disconnect(person.id, provider, "1")
            except LastWayIn:
                refused.append(provider)

    both = [Thread(target=disconnect, args=(provider,)) for provider in ("google", "facebook")]
    for one in both:
        one.start()
    for one in both:
        one.join(30)
    with testapp.service(IdentityService) as identities:
        assert refused == [one.provider for one in identities.list(person.id)]
    assert 1 == len(refused)
