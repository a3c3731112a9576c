"""Asks the service without a host: `python3 -m unittest`."""

import unittest

from answer import answer


class Answer(unittest.TestCase):
    def test_it_says_where_it_was_asked(self) -> None:
        self.assertEqual(answer("/here"), "Hello from Python, at /here\n")


if __name__ == "__main__":
    unittest.main()
