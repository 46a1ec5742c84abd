"""Install what a guest needs, and make its image: python -m tests.lab.guest"""

from tests.lab.guest import image

image.install()
