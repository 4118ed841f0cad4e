"""The Kivy companion: pairs with devices, shows them, talks to them."""
